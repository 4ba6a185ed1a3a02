/** Functions of lists, whose first element is 1 on both engines. */
import { Refused } from './refused.ts'
import { converted, isInteger } from './trino-casts.ts'
import {
  type Call,
  castText,
  inherited,
  type Rule,
  type TrinoValue,
  textLiteral,
  trinoText,
  trinoValue,
  wholeLiteral,
} from './trino-value.ts'

/** @throws Refused where the value is not a list */
function listOf(value: TrinoValue, op: string): string {
  if (value.type.endsWith('[]')) return value.sql
  throw new Refused(`${op}() of ${value.type} has no translation`)
}

export const lengthOf: Rule = ({ op, args, type }) => {
  if (args.length !== 1) throw new Refused(`${op}() of a dimension has no translation`)
  return trinoValue(`cardinality(${listOf(args[0]!, op)})`, type, { raises: args[0]!.raises })
}

/** A list that has a NULL, but not the value, does not contain it. */
export const isContained: Rule = ({ op, args, type }) => {
  const [list, element] = args as [TrinoValue, TrinoValue]
  const own = list.type.slice(0, -2)
  listOf(list, op)
  const sought = converted(element, own)
  const sql = `(CASE WHEN ${sought.sql} IS NOT NULL THEN coalesce(contains(${list.sql}, ${sought.sql}), ${list.sql} IS NULL AND NULL) END)`
  return trinoValue(sql, type, { raises: list.raises || sought.raises })
}

const element: Rule = ({ op, args, type }) => {
  const [list, place] = args as [TrinoValue, TrinoValue]
  if (list.anyOrder) throw new Refused(`${op}() of a list without a certain order; sort it with list_sort()`)
  if (!isInteger(place.type)) throw new Refused(`${op}() at a ${place.type} has no translation`)
  const whole = wholeLiteral(place)
  const at = whole !== null && whole !== 0 ? place.sql : `nullif(${place.sql}, 0)`
  return trinoValue(`element_at(${listOf(list, op)}, ${at})`, type, { raises: list.raises || place.raises })
}

const distinct: Rule = ({ op, args, type }) => {
  const sql = `array_distinct(filter(${listOf(args[0]!, op)}, x -> x IS NOT NULL))`
  return trinoValue(sql, type, { raises: args[0]!.raises, anyOrder: true })
}

const sorted: Rule = ({ op, args, type }) => {
  if (args.length > 1) throw new Refused(`${op}() has a translation without further arguments only`)
  return trinoValue(`array_sort(${listOf(args[0]!, op)})`, type, { raises: args[0]!.raises })
}

const made: Rule = ({ args, type }) => {
  const elements = args.map((arg) => converted(arg, type.slice(0, -2)))
  return trinoValue(castText(`ARRAY[${elements.map(({ sql }) => sql).join(', ')}]`, type), type, inherited(elements))
}

/** list_concat takes NULL as an empty list; `||` of a NULL is NULL. */
export const concatenated: Rule = ({ op, args, type }) => {
  if (args.length !== 2 || args.some((arg) => arg.type !== type))
    throw new Refused(`${op} of ${args.map((arg) => arg.type).join(' and ')} has no translation`)
  const [a, b] = args as [TrinoValue, TrinoValue]
  const facts = inherited(args)
  const both = `concat(${a.sql}, ${b.sql})`
  if (op === '||') return trinoValue(both, type, facts)
  const lists = [a, b].map(({ sql }) => `coalesce(${sql}, ${castText('ARRAY[]', type)})`)
  return trinoValue(`concat(${lists.join(', ')})`, type, facts)
}

const text: Rule = ({ op, args, type }: Call) => {
  const [list] = args as [TrinoValue]
  const separator = textLiteral(args[1])
  if (separator === null) throw new Refused(`${op}() needs a separator that is written in the expression`)
  if (list.anyOrder) throw new Refused(`${op}() of a list without a certain order; sort it with list_sort()`)
  if (!['VARCHAR[]', 'INTEGER[]', 'BIGINT[]', 'BOOLEAN[]'].includes(list.type))
    throw new Refused(`${op}() of ${list.type} has no translation`)
  // Where all elements are NULL, DuckDB gives NULL.
  const isNothing = `cardinality(${list.sql}) > 0 AND none_match(${list.sql}, x -> x IS NOT NULL)`
  return trinoValue(
    `(CASE WHEN NOT (${isNothing}) THEN array_join(${list.sql}, ${trinoText(separator)}) END)`,
    type,
    inherited(args),
  )
}

const JSON_REASON =
  'the engines write the numbers and read the paths of JSON differently; read the value by the path of a column of its own'

export const LIST_RULES: Readonly<Record<string, Rule | string>> = {
  array_length: lengthOf,
  list_contains: isContained,
  list_has: isContained,
  array_contains: isContained,
  list_extract: element,
  array_extract: element,
  list_element: element,
  list_distinct: distinct,
  list_sort: sorted,
  list_value: made,
  list_concat: concatenated,
  array_to_string: text,
  struct_extract: 'Trino does not read fields of a struct by a text',
  ...Object.fromEntries(
    ['json_extract', 'json_extract_string', 'json_array_length', 'json_type', '->', '->>'].map((name) => [
      name,
      JSON_REASON,
    ]),
  ),
}
