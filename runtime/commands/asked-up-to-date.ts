/** Answers of the command line count what is in the log: what no stream role folds is folded first. */
import { isReached, positionAfter } from '#core/log-position.ts'
import type { Positions } from '#core/offsets.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { answerAtLeast } from '#serving/answers/at-least.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { stopSignal } from '../signals.ts'
import { bringUpToDate, foldedByOthers, type UpToDate } from './bring-up-to-date.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { say } from './output.ts'
import type { Workspace } from './workspace.ts'

const UNKNOWN_END = 'the log cannot be read, or ends before what was counted; run `watershed doctor`'

export type Asked<Given> = Given & { readonly upToDate: UpToDate }

/** What an answer is asked for again by. */
type WithMeta = { readonly meta: AnswerMeta }

export interface WantedPosition {
  /** the position that the answer must count; null: none in particular */
  readonly position: Positions | null
  readonly catchUp: boolean
}

/** Asks until the answer counts what it must, after folding what nobody else folds. @throws PositionNotReachedError; what `ask` throws */
export async function askUpToDate<Given extends WithMeta>(
  workspace: Workspace,
  open: OpenDataset,
  ask: () => Promise<Given>,
  { position, catchUp }: WantedPosition,
): Promise<Asked<Given>> {
  const asked = await askFolded(workspace, open, ask, catchUp)
  if (position === null || isReached(position, asked.meta.position)) return asked
  const { waitMsMax } = workspace.configuration
  return { ...asked, ...(await answerAtLeast({ position, waitMsMax }, ask)) }
}

/** Asks again after folding what the answer does not count; a wrong question is refused before that. */
async function askFolded<Given extends WithMeta>(
  workspace: Workspace,
  open: OpenDataset,
  ask: () => Promise<Given>,
  catchUp: boolean,
): Promise<Asked<Given>> {
  const answer = await ask()
  const { behind, liveMissing } = answer.meta
  // What would be folded now could not be stored.
  if (liveMissing !== null) return { ...answer, upToDate: { kind: 'nobody', why: liveMissing } }
  if (behind === 0) return { ...answer, upToDate: { kind: 'counted' } }
  if (behind === null) return { ...answer, upToDate: { kind: 'nobody', why: UNKNOWN_END } }
  if (!catchUp) return { ...answer, upToDate: await foldedByOthers(open) }
  const stop = stopSignal()
  const upToDate = await bringUpToDate(workspace, open, 'flushed', stop.signal).finally(stop.dispose)
  return { ...(upToDate.kind === 'counted' ? await ask() : answer), upToDate }
}

/** How far the answer is behind the log, and who counts the rest. */
export function sayBehind({ behind }: AnswerMeta, upToDate: UpToDate): void {
  const lacks =
    behind === null
      ? 'whether the answer includes every event of the log is unknown'
      : `${behind} events of the log are not included yet`
  say(behind === 0 ? 'the answer includes every event of the log' : `${lacks}: ${whyBehind(upToDate)}`)
  if (behind !== 0 && upToDate.kind === 'nobody') process.exitCode = EXIT_CODES.behind.code
}

function whyBehind(upToDate: UpToDate): string {
  if (upToDate.kind === 'counted') return 'they arrived after the command had started'
  return upToDate.kind === 'stream-role' ? 'a stream role is folding them, query again' : upToDate.why
}

/** The position after everything that is in the log now. */
export async function logEnd({ log }: OpenDataset): Promise<Positions> {
  const partitions = Array.from({ length: log.partitions }, (_, partition) => partition)
  return positionAfter(await Promise.all(partitions.map((partition) => log.range(partition))))
}
