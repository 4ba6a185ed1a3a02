/** The progress bar of an export, for a person who watches: how much was computed, then how much of it was written. */

export interface ExportBar {
  readonly computed: (bytes: number) => void
  readonly written: (bytes: number, total: number) => void
  readonly stop: () => void
}

const MEGA = 1_000_000

export async function exportBar(): Promise<ExportBar> {
  if (!process.stderr.isTTY) return { computed: () => {}, written: () => {}, stop: () => {} }
  const { SingleBar } = await import('cli-progress')
  const bar = new SingleBar({ format: '{bar} {text}', stream: process.stderr, clearOnComplete: true, hideCursor: true })
  bar.start(1, 0, { text: 'reading' })
  return {
    computed: (bytes) => bar.update(0, { text: `computing | ${megabytes(bytes)} MB` }),
    written: (bytes, total) => {
      bar.setTotal(total)
      bar.update(bytes, { text: `writing | ${megabytes(bytes)} of ${megabytes(total)} MB` })
    },
    stop: () => bar.stop(),
  }
}

function megabytes(bytes: number): string {
  return (bytes / MEGA).toFixed(1)
}
