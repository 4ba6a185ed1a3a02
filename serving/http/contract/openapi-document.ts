/** The OpenAPI document of a process that does everything, whatever its datasets are: it depends on the schemas only. */

import { buildServeApp } from '#serving/http/serve-app.ts'
import { SessionLedger } from '#storage/sessions/session-ledger.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { silent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'

/** Its text, as docs/reference/openapi.json has it. Requests are described with keys, which a process on a loopback address may not need. */
export async function openapiText(): Promise<string> {
  const app = buildServeApp({
    datasets: new Map(),
    intakes: new Map(),
    operations: {
      ...{ jobs: new Map(), replays: new Map(), keyKeptMs: 0 },
      rollBack: async () => null,
      changeSource: () => Promise.reject(new Error('there are no sources')),
    },
    metrics: new Metrics(),
    emit: silent,
    keys: ['a-key-so-that-keys-are-described'],
    savedViews: new Map(),
    sessions: new SessionLedger(new FolderTexts('unused')),
    parts: async () => [],
  })
  try {
    await app.ready()
    return `${JSON.stringify(app.swagger(), null, 2)}\n`
  } finally {
    await app.close()
  }
}
