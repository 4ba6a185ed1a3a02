/** What reads the same bytes with the same libraries, and nothing else: each record is counted, and parsed if that is wanted. */
import { createParser } from 'eventsource-parser'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { LineSplitter } from '#ingest/ndjson-lines.ts'

export type Take = (record: string | Buffer) => void

export const BARE: Readonly<Record<string, (address: string, take: Take) => Promise<void>>> = {
  'http-stream': async (address, take) => {
    const { body } = await request(`${address}/lines`)
    const lines = new LineSplitter(1024 * 1024)
    for await (const chunk of body) for (const { bytes } of lines.push(chunk as Buffer)) take(bytes!)
  },
  'server-sent-events': async (address, take) => {
    const { body } = await request(`${address}/events`)
    const decoder = new TextDecoder()
    const parser = createParser({ onEvent: ({ data }) => take(data) })
    for await (const chunk of body) parser.feed(decoder.decode(chunk as Buffer, { stream: true }))
  },
  websocket: (address, take) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${address.replace('http', 'ws')}/socket`, { perMessageDeflate: false })
      socket.on('message', (data) => take(data as Buffer))
      socket.on('error', reject)
      socket.on('close', () => resolve())
    }),
  // A page has to be parsed to know the next one, so its records are as well.
  polling: async (address, take) => {
    for (let next: string | undefined = ''; next !== undefined; ) {
      const { body } = await request(`${address}/poll${next === '' ? '' : `?next_token=${next}`}`)
      const page = (await body.json()) as { data: unknown[]; meta: { next_token?: string } }
      for (const _ of page.data) take('null')
      next = page.meta.next_token
    }
  },
}
