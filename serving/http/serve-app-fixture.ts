/** For tests: the real application over a small real dataset, and an intake that accepts rows which contain "good". */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import type { EventVerdict, IntakePort } from '#serving/http/intake/intake-port.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { JobLedger } from '#storage/jobs/job-ledger.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { ReplayLedger } from '#storage/replays/replay-ledger.ts'
import { SavedViewLedger } from '#storage/saved-views/saved-view-ledger.ts'
import { SessionLedger } from '#storage/sessions/session-ledger.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { buildServeApp, type ServeAppParts } from './serve-app.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
  },
  views: { by_kind: { dimensions: { kind: 'kind', id: 'id' }, time: ['minute'], measures: { n: count() } } },
})

/** the second one of Standard Webhooks */
export const WEBHOOK_SECRETS = ['secret-of-the-hub', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] as const

export interface ServedShop {
  readonly app: FastifyInstance
  readonly parts: ServeAppParts
  readonly events: readonly PlatformEvent[]
  close(): Promise<void>
}

const intake: IntakePort = {
  room: () => ({ take: () => {}, free: () => {} }),
  offerBody: async (body, _format, wanted, key) => {
    const rows = body.toString('utf8').split('\n').filter(Boolean)
    if (rows.includes('busy')) throw Object.assign(new Error('come again'), { name: 'IntakeBusyError' })
    if (key === 'other') throw Object.assign(new Error("the key 'other' was used"), { name: 'KeyReusedError' })
    if (rows.includes('crash')) throw new Error('secret /path')
    const all = rows.map(
      (row, index): EventVerdict =>
        row.includes('good')
          ? { index, status: 'accepted', partition: 0, offset: index }
          : { index, status: 'rejected', reason: 'no good' },
    )
    const rejects = all.filter(({ status }) => status === 'rejected')
    const accepted = all.length - rejects.length
    const verdicts = wanted === 'all' ? all : rejects
    const appended = accepted === 0 ? [] : [{ partition: 0, start: 5, end: 5 + accepted }]
    return { verdicts, accepted, rejected: rows.length - accepted, warnings: [], appended, repeated: key === 'seen' }
  },
}

export async function serveShop(limits: ServeAppParts['limits'] = {}): Promise<ServedShop> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-http-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const connection = await engine.connect()
  const dataset = await compileDataset(definition, connection)
  connection.close()
  const lake = await LocalLake.open({ folder, dataset: 'shop' })
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'shop' })
  const events: PlatformEvent[] = []
  const parts: ServeAppParts = {
    datasets: new Map([['shop', { dataset, lake, store, engine, partitions: 1 }]]),
    intakes: new Map([['shop', intake]]),
    scratchFolder: folder,
    metrics: new Metrics(),
    emit: (event) => events.push(event),
    limits: { requestBytesMax: 1_000, waitMsMax: 1, ...limits },
    operations: {
      jobs: new Map([['shop', new JobLedger('shop', new FolderTexts(join(folder, 'jobs')))]]),
      replays: new Map([['shop', new ReplayLedger(new FolderTexts(join(folder, 'replays')))]]),
      keyKeptMs: 3_600_000,
      rollBack: (_dataset, id) => lake.setCurrent(id).then(() => lake.current()),
      changeSource: async () => Promise.reject(new Error('the shop has no sources')),
    },
    savedViews: new Map([['shop', new SavedViewLedger('shop', new FolderTexts(join(folder, 'views')))]]),
    sessions: new SessionLedger(new FolderTexts(join(folder, 'sessions'))),
    webhookSecrets: new Map([['shop', WEBHOOK_SECRETS]]),
    parts: async () => [{ name: 'stream role', ready: true, state: 'running', detail: '' }],
  }
  const app = buildServeApp(parts)
  const close = async (): Promise<void> => {
    await app.close()
    await store.close()
    engine.close()
    rmSync(folder, { recursive: true })
  }
  return { app, parts, events, close }
}
