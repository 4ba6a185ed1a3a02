/** Shared by all long-running processes: logging, signals, and termination. */
import type { Emit } from '#telemetry/emit.ts'
import { serviceLog } from '../log.ts'
import { secretsOf } from '../settings/secrets.ts'
import type { Configuration } from '../settings/settings.ts'
import { stopSignal } from '../signals.ts'
import { endOf } from './end-of.ts'
import { CommandError } from './exit-codes.ts'

export interface Service {
  readonly configuration: Configuration
  readonly emit: Emit
  /** aborted by Ctrl-C or SIGTERM */
  readonly signal: AbortSignal
}

/** Runs `work` until it resolves, which it must do when the signal is aborted. A fault is the last line of the log. @throws CommandError */
export async function runService(
  role: string,
  configuration: Configuration,
  work: (service: Service) => Promise<void>,
): Promise<void> {
  const emit = serviceLog(configuration, { role, secrets: secretsOf(configuration) })
  const stop = stopSignal(() =>
    emit({
      name: 'stopping',
      level: 'info',
      message: 'stopping; all accepted events are kept. Press Ctrl-C again to stop immediately',
    }),
  )
  try {
    await work({ configuration, emit, signal: stop.signal })
    emit({ name: 'stopped', level: 'info', message: 'stopped' })
  } catch (error) {
    const { exit, message } = endOf(error)
    emit({ name: 'failed', level: 'error', message, fields: { exit } })
    throw new CommandError(exit, '', { cause: error })
  } finally {
    stop.dispose()
  }
}
