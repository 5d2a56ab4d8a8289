/** Slots of a Redis Cluster. */
export const SLOTS = 16_384

/** The slot a key or a channel is in: of what stands in its first pair of braces, if anything does. */
export function slotOf (name: string): number {
  const open = name.indexOf('{')
  const close = open === -1 ? -1 : name.indexOf('}', open)
  return crc16(Buffer.from(close > open + 1 ? name.slice(open + 1, close) : name)) % SLOTS
}

/** CRC-16/XMODEM, as the specification of Redis Cluster has it. */
function crc16 (bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}
