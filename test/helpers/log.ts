import { Writable } from 'node:stream'

/** What was logged, one object a line; give `logger` to Fastify. */
export function captureLog (): { readonly lines: Array<Record<string, unknown>>, readonly logger: { level: string, stream: Writable } } {
  const lines: Array<Record<string, unknown>> = []
  const stream = new Writable({
    write (chunk, _encoding, callback) {
      for (const line of String(chunk).split('\n')) if (line !== '') lines.push(JSON.parse(line))
      callback()
    }
  })
  return { lines, logger: { level: 'trace', stream } }
}
