/** For commands that must count every event of the log: they fold the events themselves unless a stream role is running. */
import { join } from 'node:path'
import { backlogOf, type Counted, foldBacklog } from '#speed-layer/catch-up.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { streamLimits } from '../drivers/stream-limits.ts'
import { CommandError } from './exit-codes.ts'
import { say } from './output.ts'
import type { Workspace } from './workspace.ts'

/**
 * Who counts the events of the log. `counted`: every event that it held when it was read is counted. `stream-role`: another process folds
 * them. `nobody`: they stay uncounted, for the reason in `why`.
 */
export type UpToDate =
  | { readonly kind: 'counted' }
  | { readonly kind: 'stream-role' }
  | { readonly kind: 'nobody'; readonly why: string }

/**
 * Folds what is in the log now, unless a stream role runs, and says on stderr that it does.
 * @throws CommandError 'interrupted' if the signal is aborted
 */
export async function bringUpToDate(
  workspace: Workspace,
  open: OpenDataset,
  counted: Counted,
  signal: AbortSignal,
): Promise<UpToDate> {
  try {
    const backlog = await backlogOf(open, counted)
    if (backlog.length === 0) return { kind: 'counted' }
    const lock = await open.lake.tryLock('stream')
    if (lock === null) return { kind: 'stream-role' }
    try {
      const events = backlog.reduce((sum, { position, end }) => sum + end - position, 0)
      say(`${open.dataset.name}: no stream role is running; folding ${events} events of the log`)
      await foldBacklog(foldingParts(workspace, open), backlog, counted, signal)
      return { kind: 'counted' }
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (!signal.aborted) return { kind: 'nobody', why: (error as Error).message }
    throw new CommandError('interrupted', `stopped while folding the log of '${open.dataset.name}'; no event is lost`)
  }
}

/** The same without folding anything. */
export async function foldedByOthers({ lake }: OpenDataset): Promise<UpToDate> {
  try {
    const lock = await lake.tryLock('stream')
    if (lock === null) return { kind: 'stream-role' }
    await lock.release()
    return { kind: 'nobody', why: 'no stream role is running' }
  } catch (error) {
    return { kind: 'nobody', why: (error as Error).message }
  }
}

function foldingParts(workspace: Workspace, open: OpenDataset): Parameters<typeof foldBacklog>[0] {
  const { configuration, scratchFolder, step, emit } = workspace
  return {
    ...open,
    scratchFolder: join(scratchFolder, `fold-${open.dataset.name}`),
    limits: streamLimits(configuration),
    step,
    // A user who queries need not see which segments close.
    emit: (event) => {
      if (event.level === 'warn' || event.level === 'error') emit(event)
    },
  }
}
