"""Publishes to rooms and users of fastify-realtime from Python, by the script that its servers use. The format is in docs/redis.md."""

import base64
import hashlib
import json
import os
import re
import time
import uuid
from pathlib import Path

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

# Where the scripts of the servers are in an application that has the package installed, and in the package's own repository.
INSTALLED = 'node_modules/fastify-realtime/dist/lib/bridge/redis/scripts'
SOURCE = 'lib/bridge/redis/scripts'

MINUTE = 60 * 1000
DAY = 24 * 60 * MINUTE

# What the servers do by default: (entries kept, age in ms). For a log that begins here; one that is there keeps its own bounds.
ROOM = (100, 5 * MINUTE)
INBOX = (100, DAY)

KEY_TTL = 10 * MINUTE
BATCH_TTL = 2 * MINUTE
REMOVALS = 60 * MINUTE


class Conflict(Exception):
    """The key was used before, with other content."""


def find_scripts():
    """The folder that REALTIME_SCRIPTS names, or the nearest one above this file or else above the working directory."""
    if 'REALTIME_SCRIPTS' in os.environ:
        return Path(os.environ['REALTIME_SCRIPTS'])
    for folder in (*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents):
        for place in (INSTALLED, SOURCE):
            if (folder / place / 'append.lua').is_file():
                return folder / place
    raise FileNotFoundError(f'no folder above {__file__} or {Path.cwd()} has {INSTALLED}; REALTIME_SCRIPTS can name it')


class Realtime:
    """Can be shared by threads."""

    def __init__(self, url='redis://localhost:6379/0', prefix='realtime', scripts=None):
        # A call whose answer was lost is made again: the same batch is appended once.
        self._redis = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5, retry=Retry(ExponentialBackoff(cap=1, base=0.05), 3),
            retry_on_error=[redis.ConnectionError, redis.TimeoutError])
        db = self._redis.connection_pool.connection_kwargs.get('db', 0)
        # Pub/Sub knows no databases, so the number is part of every name.
        self._base = f'{prefix}@{db}' if db else prefix
        folder = Path(scripts) if scripts else find_scripts()
        # log.lua holds what the scripts of a log have in common.
        self._append = self._redis.register_script('\n'.join((folder / f'{name}.lua').read_text() for name in ('log', 'append')))

    def notify_room(self, room_id, event, content, key=None, user_id=None):
        """Publishes to everyone in a room. Once, however often it is called with the same key."""
        frame = {'type': 'message', 'roomId': room_id, 'event': event, 'userId': user_id, 'content': content}
        if key is not None:
            frame['key'] = key
        return self._publish(f'r:{room_id}', frame, key, ROOM)

    def send_direct(self, user_id, event, content, key=None, sender=None):
        """Sends to every device of a user; kept in the inbox while the user is away."""
        return self._publish(f'u:{user_id}', {'type': 'direct', 'event': event, 'userId': sender, 'content': content}, key, INBOX)

    def broadcast(self, event, content):
        """Sends to every connection; who is away does not get it."""
        frame = {'type': 'broadcast', 'event': event, 'content': content, 'timestamp': int(time.time() * 1000)}
        self._redis.publish(f'{self._base}:{{s:nodes}}', '1B\n' + to_json(frame))

    def _publish(self, channel, frame, key, bounds):
        check_name(channel[2:], 200)
        check_name(frame['event'], 64)
        base = f'{self._base}:{{{channel}}}'
        size, ttl = bounds
        batch = uuid.uuid4().hex
        keys = [f'{base}:head', f'{base}:log', f'{base}:batch:{batch}', f'{base}:removed']
        item = ['m', to_json(frame)[:-1], 0, '', 0, '']
        if key is not None:
            check_name(key, 64)
            # The keys of servers are apart from those of users. Who shares one has to write the same JSON.
            keys.append(f'{base}:key:s\0{key}')
            item[2:5] = [len(keys), digest(frame['event'], to_json(frame['content'])), KEY_TTL]
        keep_bounds = 1
        reply = self._append(keys=keys, args=[
            uuid.uuid4().hex[:16], batch, BATCH_TTL, 'PUBLISH', base, size, ttl, max(DAY, 2 * ttl), REMOVALS, keep_bounds, 1, *item])
        status, *place = reply.split(' ')
        if status == 'c':
            raise Conflict(key)
        epoch, offset, chain, timestamp = place
        return {'position': f'{epoch}.{offset}.{chain}', 'timestamp': int(timestamp), 'duplicate': status == 'd'}


def check_name(name, max_bytes):
    """What stands in the names of Redis' keys has no braces, or rooms could be mistaken for each other."""
    if not 1 <= len(name.encode()) <= max_bytes or re.search(r'[\x00-\x1f\x7f-\x9f{}]', name):
        raise ValueError(f'{name!r} must have 1 to {max_bytes} bytes, without control characters and braces')


def to_json(value):
    """As JSON.stringify writes it, so that a key can be shared with a server."""
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False)


def digest(event, content):
    return base64.b64encode(hashlib.sha1(f'{event}\0{content}'.encode()).digest()).decode()
