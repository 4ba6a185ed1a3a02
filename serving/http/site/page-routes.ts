/**
 * The live page for people: an application shell for each address of the page, and its files. Nothing of it is confidential, so that it is
 * served without a key; what it shows comes from the other routes, which check one.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ProblemError } from '#serving/http/problems.ts'
import { isKnown } from '#serving/http/queries/repeated-requests.ts'

/** One file of the page. */
export interface PageFile {
  readonly bytes: Buffer
  readonly gzip: Buffer
  readonly contentType: string
  /** strong, with its quotes */
  readonly etag: string
  /** its name changes with its content, so that it can be kept forever */
  readonly immutable: boolean
}

/** Where the files of the page come from. */
export interface PageFiles {
  /** @param name for example `index.html`; null: there is no such file */
  file(name: string): Promise<PageFile | null>
}

/** Everything comes from this address; no script or style is inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const SHELL = 'index.html'
const HIDDEN = { hide: true } as const
const FOREVER = 'public, max-age=31536000, immutable'

/** Addresses that a browser opens, besides `/`; the application of the page decides what to show. */
const SHELL_PATHS = ['/datasets/:dataset']
export const PAGE_PATHS: readonly string[] = [...SHELL_PATHS, '/page/:file']

/** Whether a request of `/` comes from a browser that shows a page, not from a program that reads JSON. */
export function wantsPage({ method, headers }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && (headers.accept ?? '').includes('text/html')
}

/** Whether the path is one of the page, which needs no key. */
export function isPagePath(path: string): boolean {
  return path.startsWith('/page/') || path.startsWith('/datasets/')
}

/** @param opened told of the dataset whose page is opened, before its program asks for anything */
export function pageRoutes(
  app: FastifyInstance,
  page: PageFiles,
  opened: (dataset: string, request: FastifyRequest) => void = () => {},
): void {
  for (const path of SHELL_PATHS)
    app.get<{ Params: { dataset: string } }>(path, { schema: HIDDEN }, async (request, reply) => {
      opened(request.params.dataset, request)
      return sendPage(page, SHELL, request, reply)
    })
  app.get<{ Params: { file: string } }>('/page/:file', { schema: HIDDEN }, async (request, reply) =>
    sendPage(page, request.params.file, request, reply),
  )
}

/** Answers with the shell of the page. */
export function sendShell(page: PageFiles, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return sendPage(page, SHELL, request, reply)
}

async function sendPage(
  page: PageFiles,
  name: string,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await page.file(name)
  if (file === null) throw new ProblemError('not-found', `the page has no file '${name}'; reload it: it was updated`)
  const zipped = /\bgzip\b/.test(headers['accept-encoding'] ?? '') && file.gzip.length < file.bytes.length
  reply.headers({
    'content-type': file.contentType,
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cache-control': file.immutable ? FOREVER : 'no-cache',
    vary: name === SHELL ? 'accept, accept-encoding' : 'accept-encoding',
    etag: file.etag,
  })
  if (isKnown(headers['if-none-match'], file.etag)) return reply.code(304).send()
  if (zipped) reply.header('content-encoding', 'gzip')
  return reply.send(zipped ? file.gzip : file.bytes)
}
