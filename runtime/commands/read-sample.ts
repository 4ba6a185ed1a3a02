/** Reads the sample that `init` and `check` work on. */
import { type Sample, type SampleOptions, sampleOf } from '#ingest/inference/sample.ts'
import { isBadContent } from './bad-content.ts'
import { CommandError } from './exit-codes.ts'

/** @throws CommandError that says why the source cannot be read */
export async function readSample(source: string, options: SampleOptions): Promise<Sample> {
  try {
    return await sampleOf(source, options)
  } catch (error) {
    const exit = isBadContent(error) ? 'definition' : 'storage'
    throw new CommandError(exit, `'${source}' cannot be read: ${reasonOf(error as Error)}`, { cause: error })
  }
}

/** `fetch` says why it failed only in the causes of its error. */
function reasonOf(error: Error): string {
  const own = error instanceof AggregateError ? error.errors.map(({ message }) => message).join('; ') : error.message
  return error.cause instanceof Error ? `${own}: ${reasonOf(error.cause)}` : own
}
