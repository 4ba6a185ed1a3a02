/** The made-up courses and places of the click generator. */
import type { Random } from '#datasets/random.ts'

export interface Course {
  readonly id: string
  readonly title: string
  readonly category: string
  /** with two decimals, as text: a JSON number is a double */
  readonly price: string
}

const SUBJECTS: Readonly<Record<string, readonly string[]>> = {
  Programming: ['TypeScript', 'Rust', 'Python', 'SQL', 'Go', 'Kotlin'],
  Data: ['Statistics', 'Machine Learning', 'Data Modelling', 'Stream Processing', 'Visualisation'],
  Design: ['Typography', 'Interaction Design', 'Colour Theory', 'Prototyping'],
  Languages: ['Portuguese', 'Japanese', 'Arabic', 'Deutsch für Anfänger', 'Français'],
  Business: ['Negotiation', 'Bookkeeping', 'Project Management'],
}
const LEVELS = ['in an Afternoon', 'Step by Step', 'for Professionals', 'in Depth']

export const REFERRERS = ['search', 'newsletter', 'social', 'partner']
/** null: the country of a user is not always known */
export const COUNTRIES = ['us', 'in', 'de', 'br', 'gb', 'jp', 'fr', 'ng', 'mx', null] as const

/** The same random numbers make the same courses, in the order of their popularity. */
export function makeCourses(random: Random): readonly Course[] {
  const courses = Object.entries(SUBJECTS).flatMap(([category, subjects]) =>
    subjects.flatMap((subject) => LEVELS.map((level) => ({ category, title: `${subject} ${level}` }))),
  )
  return courses
    .map((course) => ({ ...course, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ category, title }, index) => ({
      id: `c${101 + index}`,
      title,
      category,
      price: (9 + random.below(190) + 0.99).toFixed(2),
    }))
}
