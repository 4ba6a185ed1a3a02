/** The recorded RSVP stream over a WebSocket, one answer a message, whose connections are cut: each record is in the log once. */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { eventCheck } from '#core/check-event.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import definition from '#datasets/meetup-rsvps/definition.ts'
import { Intake } from '#ingest/intake.ts'
import { SourceRunner } from '#ingest/sources/source-runner.ts'
import { WebSocketSource } from '#ingest/sources/websocket-source.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { until } from '#tests/until.ts'

const RECORDING = join(import.meta.dirname, '../../../shared/data/meetup-rsvps-2017.ndjson')
/** only what validation needs of it */
const rsvps = { name: definition.name, deciding: null, ...eventCheck(definition) } as unknown as CompiledDataset

/** as large as the recording's disorder */
const OVERLAP_MS = 40 * 86_400_000
/** messages of each connection before it is cut; the last one is not */
const CUT_AFTER = [150, 420]

test.skipIf(!existsSync(RECORDING))('the recording, cut twice (skipped where ../shared/data is absent)', async () => {
  const records = readFileSync(RECORDING, 'utf8').trim().split('\n')
  const begun: (string | null)[] = []
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const play = async (peer: WebSocket, since: string | null, end: number): Promise<void> => {
    const asked = records.filter((record) => since === null || JSON.parse(record).mtime >= Number(since))
    for (const record of asked.slice(0, end)) {
      peer.send(record)
      await turn()
    }
    if (end < asked.length) peer.terminate()
  }
  server.on('connection', (peer, request) => {
    const since = new URL(request.url!, 'ws://stream').searchParams.get('since_mtime')
    begun.push(since)
    void play(peer, since, CUT_AFTER[begun.length - 1] ?? records.length)
  })
  await once(server, 'listening')
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: 2 }) })
  const url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/2/rsvps`)
  const source = new WebSocketSource({
    target: { url, headers: {}, hasCredentials: false },
    silenceMsMax: 60_000,
    resume: { parameter: 'since_mtime', from: '$.mtime', overlap: OVERLAP_MS, unit: 'ms' },
  })
  const runner = new SourceRunner({
    ...{ dataset: rsvps.name, name: 'live', kind: 'websocket', source, ledger: log.sources },
    timing: { lingerMs: 2, lookEveryMs: 20, retryMsFirst: 1, retryMsMax: 20 },
    intake: new Intake({ dataset: rsvps, log }),
    tryLock: async () => ({ release: async () => {} }),
    emit: () => {},
  })
  runner.start()
  const lines = async (): Promise<string[]> => {
    const read = await Promise.all(
      [0, 1].map((partition) => log.read(partition, 0, { bytesMax: 1e7, recordsMax: 1e4 })),
    )
    return read.flatMap((batch) => batch?.lines.toString().split('\n') ?? []).filter((line) => line !== '')
  }
  try {
    await until('every record is there', async () => (await lines()).length >= records.length)
    expect((await lines()).sort()).toEqual([...records].sort())
    expect(runner.status()).toMatchObject({ rejected: 0, resumption: 'exact' })
    expect(begun[0]).toBe(null)
    expect(begun.slice(1).map((since) => Number(since) > 0)).toEqual(CUT_AFTER.map(() => true))
  } finally {
    await runner.stop()
    for (const peer of server.clients) peer.terminate()
    server.close()
  }
})
