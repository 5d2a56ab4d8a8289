import { readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { build, stop } from 'esbuild'
import type { FastifyPluginAsync } from 'fastify'

const folder = join(import.meta.dirname, 'page')

const headers = {
  // The page needs nothing but its own files and its own server.
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.map': 'application/json'
}

/** The page, made from its sources when the server starts and served from memory. */
export const page: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })

  const files = await bundle()
  for (const [name, contents] of files) {
    // A name says what is in the file, so a browser never has to ask for it again.
    const cached = { 'content-type': TYPES[extname(name)], 'cache-control': 'public, max-age=31536000, immutable' }
    app.get(`/${name}`, async (_request, reply) => await reply.headers(cached).send(contents))
  }

  const html = await readFile(join(folder, 'index.html'), 'utf8')
  const document = html.replace(/(?<=(?:src|href)=")[^"]+/g, (plain) => {
    const name = [...files.keys()].find((name) => name.replace(/-[A-Z0-9]{8}\b/, '') === plain)
    if (name === undefined) throw new Error(`index.html asks for ${plain}, which is none of the page's files`)
    return name
  })
  app.get('/', async (_request, reply) => await reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').send(document))
}

/** Script, style and icon by names such as main-5TLRMQ2K.js. */
async function bundle (): Promise<Map<string, Buffer>> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['main.tsx', 'style.css', 'favicon.svg'],
    entryNames: '[name]-[hash]',
    outdir: folder,
    write: false,
    loader: { '.svg': 'copy' },
    bundle: true,
    minify: true,
    sourcemap: true,
    format: 'esm',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' }
  })
  await stop()
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), Buffer.from(contents)]))
}
