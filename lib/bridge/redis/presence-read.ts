import type { Member } from '../../../types/presence.js'
import type { ChannelName } from '../bridge.js'
import type { Names } from './names.js'
import type { PlacedSnapshot, PresencePlace } from './presence-follower.js'
import { loadScript } from './script.js'
import { listOf } from './store.js'
import type { Store } from './store.js'

const READ = loadScript('sender', 'presence', 'presence-read')

/**
 * Who is in a room.
 *
 * @param epoch - for a presence that begins here; empty: for who does not follow it
 * @param known - what the reader knows: where that is still so, the snapshot has no members
 */
export async function readPresence (
  store: Store, names: Names, channel: ChannelName, epoch = '', known: PresencePlace | null = null
): Promise<PlacedSnapshot> {
  const place = known === null ? ['', '', ''] : [known.epoch, known.version, known.chain]
  const reply = await store.run(READ, [names.key(channel, 'presence'), names.key(channel, 'presence-senders')], [epoch, ...place])
  const [newEpoch = '', version, chain = '', ...fields] = listOf(reply).map(String)
  const members: Member[] = []
  for (let index = 0; index < fields.length; index += 4) {
    const [userId = '', devices, status = '', meta = ''] = fields.slice(index, index + 4)
    members.push(readMember(userId, Number(devices), status, meta))
  }
  return { epoch: newEpoch, version: Number(version), chain, members }
}

function readMember (userId: string, devices: number, status: string, meta: string): Member {
  const knownStatus: string = JSON.parse(status)
  const knownMeta: unknown = meta === '' ? undefined : JSON.parse(meta)
  return { userId, status: knownStatus, ...(knownMeta !== undefined && { meta: knownMeta }), devices }
}
