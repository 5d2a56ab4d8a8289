import t from 'tap'

import { createFrame } from '../lib/core/frame.js'

/** The header by the letter of RFC 6455, 5.2. */
function expectedHeader (length: number): Buffer {
  if (length < 126) return Buffer.from([0x81, length])
  if (length < 65536) {
    const header = Buffer.from([0x81, 126, 0, 0])
    header.writeUInt16BE(length, 2)
    return header
  }
  const header = Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0])
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}

for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 600_000]) {
  await t.test(`a payload of ${length} bytes`, async t => {
    const text = 'a'.repeat(length)
    for (const payload of [text, Buffer.from(text)]) {
      const frame = createFrame(payload)
      t.same(frame.wire.subarray(0, frame.wire.length - length), expectedHeader(length))
      t.equal(frame.payload.toString(), text)
      t.equal(frame.size, frame.wire.length)
    }
  })
}

await t.test('the length is counted in bytes', async t => {
  const text = '{"content":"näh 日本 \u{1F600}"}'
  const frame = createFrame(text)
  t.equal(frame.wire[1], Buffer.byteLength(text))
  t.equal(frame.payload.toString(), text)
})

await t.test('the payload shares the memory of the wire', async t => {
  const frame = createFrame('x'.repeat(300))
  t.equal(frame.payload.buffer, frame.wire.buffer)
  t.equal(frame.payload.byteOffset, frame.wire.byteOffset + 4)
})

await t.test('the payload is copied, so that the caller may reuse its buffer', async t => {
  const payload = Buffer.from('before')
  const frame = createFrame(payload)
  payload.write('after!')
  t.equal(frame.payload.toString(), 'before')
})

await t.test('a frame is durable unless it is said to be volatile', async t => {
  t.equal(createFrame('').volatile, false)
  t.equal(createFrame('', true).volatile, true)
})
