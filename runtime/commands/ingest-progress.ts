/** The progress bar of `ingest`, for a person who watches: what was read, how fast, and the time left. */

export interface ShownProgress {
  readonly bytesRead: number
  /** null: unknown */
  readonly bytesTotal: number | null
  readonly accepted: number
  readonly rejected: number
}

export interface ProgressBar {
  show(progress: ShownProgress): void
  stop(): void
}

const MEGA = 1_000_000

/** @param clock monotonic, ms */
export async function progressBar(name: string, clock: () => number = () => performance.now()): Promise<ProgressBar> {
  if (!process.stderr.isTTY) return { show: () => {}, stop: () => {} }
  const { SingleBar } = await import('cli-progress')
  const bar = new SingleBar({
    format: '{name} {bar} {text}',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  })
  const startMs = clock()
  let started = false
  return {
    show: (progress) => {
      const text = progressText(progress, clock() - startMs)
      if (!started) bar.start(progress.bytesTotal ?? 0, 0, { name, text })
      started = true
      bar.setTotal(progress.bytesTotal ?? progress.bytesRead)
      bar.update(progress.bytesRead, { text })
    },
    stop: () => bar.stop(),
  }
}

/** @example progressText({ bytesRead: 3e6, bytesTotal: 12e6, accepted: 500, rejected: 0 }, 1_500) // '3.0 of 12.0 MB | 2.0 MB/s | 333 events/s | 500 events | 5 s left' */
export function progressText({ bytesRead, bytesTotal, accepted, rejected }: ShownProgress, elapsedMs: number): string {
  const perMs = elapsedMs > 0 ? bytesRead / elapsedMs : 0
  const read = (bytesRead / MEGA).toFixed(1)
  const parts = [
    bytesTotal === null ? `${read} MB` : `${read} of ${(bytesTotal / MEGA).toFixed(1)} MB`,
    `${((perMs * 1_000) / MEGA).toFixed(1)} MB/s`,
    `${elapsedMs > 0 ? Math.round((accepted * 1_000) / elapsedMs) : 0} events/s`,
    `${accepted} events`,
  ]
  if (rejected > 0) parts.push(`${rejected} rejected`)
  if (bytesTotal !== null && perMs > 0)
    parts.push(`${secondsText(Math.max(0, bytesTotal - bytesRead) / perMs / 1_000)} left`)
  return parts.join(' | ')
}

function secondsText(seconds: number): string {
  const whole = Math.round(seconds)
  return whole < 90 ? `${whole} s` : `${Math.round(whole / 60)} min`
}
