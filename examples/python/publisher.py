"""Publishes a message twice under one key, and shows that it was published once.

python3 publisher.py chat:42 'Hello from Python'
"""

import json
import os
import sys
import uuid

from realtime import Realtime

room_id, text = sys.argv[1:]
realtime = Realtime(os.environ.get('REDIS_URL', 'redis://localhost:6379/0'), os.environ.get('REALTIME_PREFIX', 'realtime'))
key = str(uuid.uuid4())

for attempt in (1, 2):
    print(json.dumps(realtime.notify_room(room_id, 'message', {'text': text}, key=key)))
