/** Runs a role inside its worker thread or process: tells the supervisor what happens, and stops when told to. */
import { collectGarbage } from '#core/collect-garbage.ts'
import type { Emit } from '#telemetry/emit.ts'
import { endAnyway } from '../signals.ts'
import { failProcess, roleChannel } from './role-channel.ts'
import { type PartStatus, type RoleInput, roleFault } from './role-messages.ts'

/** how often the supervisor hears of a role's state */
const STATUS_EVERY_MS = 500

export interface RunningRole {
  parts(): readonly PartStatus[]
  /** stops cleanly: nothing that was accepted is lost */
  stop(): Promise<void>
}

/**
 * Starts the role that `open` makes; a fault ends the thread or process and reaches the supervisor as its error. An uncaught one
 * stops the role first: a thread that ends while its engine is at work would take the whole process with it.
 */
export async function runRole(open: (input: RoleInput, emit: Emit) => Promise<RunningRole>): Promise<void> {
  collectGarbage()
  const channel = roleChannel()
  const ending = Promise.withResolvers<Error | null>()
  void channel.stop.then(() => ending.resolve(null))
  const role = await open(await channel.input, (event) => channel.tell({ type: 'event', event }))
  process.off('uncaughtException', failProcess)
  process.on('uncaughtException', (error) => ending.resolve(error))
  const report = (): void => channel.tell({ type: 'status', parts: role.parts() })
  report()
  channel.started()
  const reporting = setInterval(report, STATUS_EVERY_MS)
  let fault = await ending.promise
  clearInterval(reporting)
  await role.stop().catch((error: Error) => {
    fault ??= error
  })
  report()
  await channel.end(fault === null ? { type: 'stopped' } : roleFault(fault))
  endAnyway()
}
