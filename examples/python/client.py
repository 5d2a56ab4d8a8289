"""A client of fastify-realtime: joins rooms, goes on where it was after a dropped connection, and acknowledges direct messages.

Prints every frame that it gets as a line of JSON, and publishes every line that it is given:

TOKEN=... python3 client.py ws://127.0.0.1:3000/realtime chat:42
"""

import asyncio
import json
import os
import random
import sys
import time
import uuid

import aiohttp

# Close codes after which there is no use in coming back.
FINAL = {1000, 1002, 1003, 1007, 1009, 4400, 4403, 4409, *range(4500, 4600)}


class Stopped(Exception):
    """The server does not want this client any more."""


class Client:
    def __init__(self, url, get_token, room_ids, handle):
        self._url = url
        self._get_token = get_token
        self._handle = handle
        # Where each log was read up to: the only thing that has to outlive a connection.
        self._rooms = dict.fromkeys(room_ids)
        self._inbox = None
        # Messages without an answer, by key: they go again, and the server knows which of them it has.
        self._unanswered = {}
        self._requests = {}
        self._last_id = 0
        self._socket = None
        self._resumed = False
        self._leaving = False
        self._key_ttl = 0
        self._timers = set()

    async def run(self):
        """Stays connected until the server sends it away."""
        failures = 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)) as session:
            while True:
                try:
                    code = await self._connect(session)
                    failures = 0
                except aiohttp.WSServerHandshakeError as error:
                    if error.status in (400, 403):
                        raise Stopped(f'the handshake was answered {error.status}')
                    failures += 1
                except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
                    failures += 1
                else:
                    if code in FINAL:
                        raise Stopped(f'closed with {code}')
                # All clients lose a server in the same moment, and must not come back in the same one.
                await asyncio.sleep(0.2 + random.random() * min(20, 0.5 * 2 ** min(failures, 10)))

    async def send(self, room_id, content):
        """Publishes, now or when there is a connection."""
        key = str(uuid.uuid4())
        self._unanswered[key] = time.monotonic(), {'type': 'message', 'roomId': room_id, 'content': content, 'key': key}
        if self._resumed:
            await self._publish(key)

    async def _connect(self, session):
        headers = {'Authorization': f'Bearer {await self._get_token()}'}
        async with session.ws_connect(self._url, headers=headers, protocols=['realtime.v1']) as socket:
            self._socket, self._resumed, self._leaving, self._requests = socket, False, False, {}
            try:
                # The first frame, so that what is replayed and what is live never mix.
                await self._resume(self._rooms)
                silence = 60
                while True:
                    message = await asyncio.wait_for(socket.receive(), silence)
                    if message.type != aiohttp.WSMsgType.TEXT:
                        return 1001 if self._leaving else socket.close_code
                    frame = json.loads(message.data)
                    if frame['type'] == 'welcome':
                        silence = frame['heartbeat'] / 1000 + 10
                        self._key_ttl = frame['limits']['keyTtl'] / 1000
                    if frame['type'] == 'goaway':
                        self._later(frame['reconnectIn'], self._leave)
                    await self._take(frame)
            finally:
                self._resumed = False
                for timer in self._timers:
                    timer.cancel()

    def _later(self, delay, function, *args):
        """After so many ms, unless the connection is lost before: nothing may hold up the frames that come."""
        async def run():
            await asyncio.sleep(delay / 1000)
            await function(*args)
        timer = asyncio.create_task(run())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _leave(self):
        self._leaving = True
        await self._socket.close(code=1000, message=b'goaway')

    async def _take(self, frame):
        kind = frame['type']
        if kind == 'ping':
            await self._socket.send_json({'type': 'pong'})
        elif kind == 'message':
            # First the position, then the application. The ack of a message never moves it.
            if 'position' in frame:
                self._rooms[frame['roomId']] = frame['position']
            await self._handle(frame)
        elif kind == 'direct':
            self._inbox = frame.get('position', self._inbox)
            await self._handle(frame)
            if frame.get('receipt'):
                await self._socket.send_json({'type': 'received', 'positions': [frame['position']]})
        elif kind == 'reset':
            if 'roomId' in frame:
                self._rooms[frame['roomId']] = frame['position']
            else:
                self._inbox = frame['position']
            await self._handle(frame)
        elif kind in ('ack', 'error') and frame.get('id') in self._requests:
            await self._requests.pop(frame['id'])(frame)
        else:
            if kind == 'left':
                self._rooms.pop(frame['roomId'], None)
            await self._handle(frame)

    async def _request(self, frame, answered):
        self._last_id += 1
        self._requests[self._last_id] = answered
        await self._socket.send_json({**frame, 'id': self._last_id})

    async def _resume(self, rooms):
        frame = {'type': 'resume', 'rooms': [since(room_id, position) for room_id, position in rooms.items()]}
        if self._inbox is not None:
            frame['inbox'] = self._inbox
        await self._request(frame, self._on_resumed)

    async def _on_resumed(self, answer):
        if answer['type'] == 'error':
            # Only for now: a new connection tries again.
            await self._handle(answer)
            await self._socket.close(code=4000)
            return
        inbox = answer['inbox']
        if 'error' not in inbox:
            for message in inbox.get('messages', []):
                await self._take(message)
            await self._moved(inbox, None)
            if inbox.get('more'):
                await self._resume({})
        for room in answer['rooms']:
            await self._on_joined({'type': 'error', **room['error'], 'roomId': room['roomId']} if 'error' in room else {'type': 'ack', **room})
        if not self._resumed:
            self._resumed = True
            for key, (sent, _) in list(self._unanswered.items()):
                if time.monotonic() - sent < self._key_ttl:
                    await self._publish(key)
                else:
                    # Nobody remembers whether it was published, so sending it again might do that twice.
                    del self._unanswered[key]
                    await self._handle({'type': 'unknown', 'key': key})

    async def _on_joined(self, answer):
        room_id = answer['roomId']
        if answer['type'] == 'error':
            await self._handle(answer)
            if answer.get('retryable'):
                self._later(answer.get('retryAfter', 1000), self._join, room_id)
            return
        for message in answer.get('messages', []):
            await self._take(message)
        await self._moved(answer, room_id)
        if answer.get('more'):
            await self._join(room_id)
        else:
            await self._handle({'type': 'joined', 'roomId': room_id, 'recovered': answer.get('recovered')})

    async def _join(self, room_id):
        await self._request({'type': 'join', **since(room_id, self._rooms[room_id])}, self._on_joined)

    async def _moved(self, answer, room_id):
        """An answer names the position that it leads up to, and whether something is missing before it."""
        if room_id is None:
            self._inbox = answer['position']
        else:
            self._rooms[room_id] = answer.get('position')
        if answer.get('recovered') is False:
            where = {'inbox': True} if room_id is None else {'roomId': room_id}
            await self._handle({'type': 'reset', **where, 'reason': answer['reason'], 'position': answer['position']})

    async def _publish(self, key):
        async def answered(answer):
            if answer['type'] == 'error' and answer['retryable']:
                self._later(answer.get('retryAfter', 1000), self._publish, key)
                return
            self._unanswered.pop(key, None)
            if answer['type'] == 'error':
                await self._handle(answer)
        try:
            await self._request(self._unanswered[key][1], answered)
        except (aiohttp.ClientError, ConnectionError):
            # The connection is gone, and whoever reads from it finds out. The message goes again on the next one.
            pass


def since(room_id, position):
    return {'roomId': room_id} if position is None else {'roomId': room_id, 'since': position}


async def main(url, *room_ids):
    async def get_token():
        return os.environ['TOKEN']

    async def show(frame):
        print(json.dumps(frame), flush=True)

    client = Client(url, get_token, room_ids, show)

    async def read_lines():
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            await client.send(room_ids[0], {'text': line.decode().strip()})

    reading = asyncio.create_task(read_lines())
    try:
        await client.run()
    finally:
        reading.cancel()


if __name__ == '__main__':
    try:
        asyncio.run(main(*sys.argv[1:]))
    except Stopped as error:
        sys.exit(str(error))
