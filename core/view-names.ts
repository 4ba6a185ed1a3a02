/** Names that no dimension, measure, lookup or column of a series can have: answers and states use them. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(['pane', 'time', 'row'])
