/** The files of the page as the server sends them: read, or built, when the first one is asked for. */
import { createHash } from 'node:crypto'
import { extname } from 'node:path'
import type { PageFile, PageFiles } from '#serving/http/site/page-routes.ts'
import { type BuiltPage, builtPage, COMPRESSED } from './build-page.ts'

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
}
/** esbuild's hash */
const HASHED = /-[A-Z0-9]{8}\.\w+$/

export class BuiltPageFiles implements PageFiles {
  #built: Promise<BuiltPage> | null = null
  readonly #files = new Map<string, PageFile>()

  async file(name: string): Promise<PageFile | null> {
    this.#built ??= builtPage()
    const built = await this.#built.catch((error: unknown) => {
      this.#built = null
      throw error
    })
    const [bytes, gzip] = [built.get(name), built.get(`${name}${COMPRESSED}`)]
    if (bytes === undefined || gzip === undefined) return null
    const known = this.#files.get(name) ?? served(name, bytes, gzip)
    this.#files.set(name, known)
    return known
  }
}

function served(name: string, bytes: Buffer, gzip: Buffer): PageFile {
  return {
    ...{ bytes, gzip },
    contentType: CONTENT_TYPES[extname(name)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    immutable: HASHED.test(name),
  }
}
