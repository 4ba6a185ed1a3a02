/**
 * Takes events in for all datasets, in a worker thread of its own: checking a large body and waiting for the disk hold up neither
 * HTTP nor answers. Offers come on a port of their own and are answered when they are durable.
 */
import { createHash } from 'node:crypto'
import { releaseMemory } from '#core/release-memory.ts'
import { BuildTurns } from '#ingest/bodies/build-turns.ts'
import { Intake, type IntakeResult, type IntakeStatus } from '#ingest/intake.ts'
import { rowsOfBody } from '#ingest/parse-body.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { loadEventChecks } from '../drivers/definitions.ts'
import { DerivingEngine } from '../drivers/deriving-engine.ts'
import { openLake } from '../drivers/open-lake.ts'
import { openLog } from '../drivers/open-log.ts'
import { bodyLimits, intakeLimits } from './intake-limits.ts'
import type { FromIntake, OfferedContent, OfferRequest } from './intake-messages.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'

await runRole(async ({ configuration, port, scratchFolder }, emit) => {
  if (port === undefined) throw new Error('the intake role needs a port for offers')
  const tell = (message: FromIntake): void => port.postMessage(message)
  const folder = DataFolder.open(configuration.data, configuration.scratch)
  const step = crashStep(process.env)
  // Who sends to the port bounds what is in flight, before it waits here.
  const limits = { ...intakeLimits(configuration), inFlightBytesMax: Number.POSITIVE_INFINITY }
  const logs: EventLog[] = []
  const intakes = new Map<string, Intake>()
  const turns = new BuildTurns()
  const deriving = new DerivingEngine(scratchFolder)
  for (const dataset of await loadEventChecks(configuration.datasets, () => deriving.connection())) {
    const log = await openLog({ dataset: dataset.name, folder, configuration, emit, step })
    logs.push(log)
    const lake = await openLake({ dataset: dataset.name, folder, configuration })
    const guard = new LogGuard({ dataset: dataset.name, log, lake })
    // Before anything is offered: readiness tells of it. A log that is away now is looked at again by the first offer.
    await guard.look().catch(() => {})
    const deriver = await deriving.deriverOf(dataset)
    const intake = new Intake({ dataset, deriver, log, guard, limits, emit: (event) => tell({ type: 'event', event }) })
    intakes.set(dataset.name, intake)
  }
  const offer = async ({ dataset, content, options, key }: OfferRequest): Promise<IntakeResult> => {
    if ('rows' in content) return intakes.get(dataset)!.offer(content.rows, options)
    const once = key === undefined ? undefined : { key, fingerprint: fingerprintOf(content) }
    const { body, format } = content
    return turns.during(format, async () => {
      const rows = await rowsOfBody(asBuffer(body), format, bodyLimits(configuration))
      try {
        return await intakes.get(dataset)!.offer(rows, { ...options, once })
      } finally {
        rows.release?.()
      }
    })
  }
  const take = async (request: OfferRequest): Promise<void> => {
    const { id, content } = request
    try {
      tell({ type: 'taken', id, result: await offer(request) })
    } catch (error) {
      const { name, message } = error as Error
      tell({ type: 'refused', id, name, message })
    } finally {
      if ('body' in content) releaseMemory(content.body)
    }
  }
  const active = new Set<Promise<void>>()
  const receive = (request: OfferRequest): void => {
    const taking = take(request).finally(() => active.delete(taking))
    active.add(taking)
  }
  port.on('message', receive)
  return {
    parts: () => [...intakes].map(([name, { status }]) => statusOf(name, status)),
    stop: async () => {
      port.off('message', receive)
      await Promise.all(active)
      await Promise.all(logs.map((log) => log.close()))
      await deriving.close()
      port.close()
    },
  }
})

function statusOf(dataset: string, status: IntakeStatus): PartStatus {
  return { name: `intake of ${dataset}`, dataset, ...status, numbers: {} }
}

/** Tells one body from another: of its bytes before they are split, which may change them. */
function fingerprintOf({ body, format }: Extract<OfferedContent, { readonly format: unknown }>): string {
  const kind = typeof format === 'string' ? format : JSON.stringify(format)
  return createHash('sha256').update(`${kind}\n`).update(body).digest('base64')
}

function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
