/** Reads the embedded logs and the markers of the speed stores, whose reads block their thread, for the thread that serves HTTP. */
import { parentPort, workerData } from 'node:worker_threads'
import { collectGarbage } from '#core/collect-garbage.ts'
import { noSteps } from '#core/steps.ts'
import type { EventLog, RecordBatch } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { openLog } from '../drivers/open-log.ts'
import { openSpeedStore } from '../drivers/open-speed-store.ts'
import type { Configuration } from '../settings/settings.ts'
import type { AskedReader, ReaderReply, ReaderRequest } from './reader-messages.ts'

collectGarbage()

const { configuration } = workerData as { configuration: Configuration }
const folder = DataFolder.open(configuration.data, configuration.scratch)
const port = parentPort!
const logs = new Map<string, Promise<EventLog>>()
const stores = new Map<string, Promise<SpeedStore>>()

/** Opened when it is asked for first; one that could not be opened is tried again. */
function kept<Part>(parts: Map<string, Promise<Part>>, dataset: string, open: () => Promise<Part>): Promise<Part> {
  const part = parts.get(dataset) ?? open()
  parts.set(dataset, part)
  part.catch(() => parts.delete(dataset))
  return part
}

function logOf(dataset: string): Promise<EventLog> {
  return kept(logs, dataset, () => openLog({ dataset, folder, configuration, emit: silent, step: noSteps }))
}

function storeOf(dataset: string): Promise<SpeedStore> {
  return kept(stores, dataset, async () => {
    const log = (await logOf(dataset)).identity
    return openSpeedStore({ dataset, folder, configuration, emit: silent, step: noSteps, log })
  })
}

async function answer(dataset: string, request: ReaderRequest): Promise<unknown> {
  if (request.ask === 'markers') return (await storeOf(dataset)).markers()
  const log = await logOf(dataset)
  if (request.ask === 'ends') return log.ends!()
  if (request.ask === 'range') return log.range(request.partition)
  const batch = await log.read(request.partition, request.from, request.limits)
  // The other thread gets the memory, or a copy.
  return batch === null ? null : { ...batch, release: undefined }
}

/** Memory that is given to the asking thread instead of being copied: that of a batch's lines, if it holds nothing else. */
function movable({ ask }: ReaderRequest, reply: unknown): ArrayBuffer[] {
  if (ask !== 'read' || reply === null) return []
  const { buffer, byteLength } = (reply as RecordBatch).lines
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}

port.on('message', async ({ id, dataset, request }: AskedReader) => {
  try {
    const reply = await answer(dataset, request)
    port.postMessage({ id, answer: reply } satisfies ReaderReply, movable(request, reply))
  } catch (error) {
    port.postMessage({ id, fault: (error as Error).message } satisfies ReaderReply)
  }
})
