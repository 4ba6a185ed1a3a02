/** Runs a role inside a worker thread: tells the main thread what happens, and stops when told to. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Emit } from '#telemetry/emit.ts'
import { endAnyway } from '../signals.ts'
import type { FromRole, PartStatus, RoleInput, ToRole } from './role-messages.ts'

/** how often the main thread hears of a role's state */
const STATUS_EVERY_MS = 500

export interface RunningRole {
  parts(): readonly PartStatus[]
  /** stops cleanly: nothing that was accepted is lost */
  stop(): Promise<void>
}

/**
 * Starts the role that `open` makes; a fault ends the thread and reaches the main thread as its error. An uncaught one stops
 * the role first: a thread that ends while its engine is at work would take the whole process with it.
 */
export async function runRole(open: (input: RoleInput, emit: Emit) => Promise<RunningRole>): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('a role runs in a worker thread')
  const tell = (message: FromRole): void => port.postMessage(message)
  const ending = Promise.withResolvers<Error | null>()
  port.on('message', (message: ToRole) => {
    if (message.type === 'stop') ending.resolve(null)
  })
  const role = await open(workerData as RoleInput, (event) => tell({ type: 'event', event }))
  process.on('uncaughtException', (error) => ending.resolve(error))
  const report = (): void => tell({ type: 'status', parts: role.parts() })
  report()
  tell({ type: 'started' })
  const reporting = setInterval(report, STATUS_EVERY_MS)
  let fault = await ending.promise
  clearInterval(reporting)
  await role.stop().catch((error: Error) => {
    fault ??= error
  })
  report()
  if (fault === null) tell({ type: 'stopped' })
  else tell({ type: 'fault', message: fault.message, stack: fault.stack ?? '' })
  port.close()
  endAnyway()
}
