/** What an answer on the command line says of detail that was removed. */
import type { Removed } from '#serving/answers/answer-meta.ts'

export function removedText({ why, from, to, grain }: Removed): string {
  const about =
    from !== null && from === to
      ? 'nothing that was asked for is left'
      : `the answer is about ${from ?? 'the beginning'} to ${to ?? 'the end'}`
  return `${why}: ${about}${grain === null ? '' : `; before that, --grain ${grain} or a longer one is answered`}`
}
