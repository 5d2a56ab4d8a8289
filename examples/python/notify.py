"""A service of its own, in Python, that speaks to the pages of the application.

python3 -m uvicorn notify:app --port 8000
"""

import os

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel
from realtime import Conflict, Realtime

app = FastAPI()
realtime = Realtime(os.environ.get('REDIS_URL', 'redis://localhost:6379/0'), os.environ.get('REALTIME_PREFIX', 'realtime'))


class Shipment(BaseModel):
    order_id: int
    user_id: str
    carrier: str


# Not async: FastAPI runs it in a thread, where a call to Redis holds up nobody.
@app.post('/shipments', status_code=201)
def ship(shipment: Shipment, idempotency_key: str = Header(min_length=1, max_length=60)):
    """Tells everybody who watches the orders, and the one who ordered. A request that is repeated tells nobody twice."""
    content = {'orderId': shipment.order_id, 'carrier': shipment.carrier}
    try:
        told = realtime.notify_room('orders:live', 'shipped', content, key=idempotency_key)
        realtime.send_direct(shipment.user_id, 'shipped', content, key=idempotency_key)
    except Conflict:
        raise HTTPException(409, 'the idempotency key was used with another shipment')
    return told
