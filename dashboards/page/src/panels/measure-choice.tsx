/** Which measure a panel shows: chosen by the user, kept in the address. */
import type { JSX } from 'preact'
import { choose, chosen } from '../address.ts'
import { labelOf, type Measure } from '../definition.ts'
import { chartMeasures, type Source } from '../question.ts'

const parameterOf = (id: string): string => `m.${id}`

/** @param measures the panel's own, the first of which is shown if none is chosen */
export function useMeasure(
  source: Source,
  id: string,
  measures: readonly string[],
): readonly [Measure, (name: string) => void] {
  const offered = chartMeasures(source)
  const named = (name: string | null | undefined): Measure | undefined => offered.find((one) => one.name === name)
  const measure = named(chosen(parameterOf(id))) ?? named(measures[0]) ?? offered[0]!
  return [measure, (name) => choose({ [parameterOf(id)]: name === measures[0] ? null : name })]
}

interface ChoiceProps {
  readonly source: Source
  readonly measures: readonly string[]
  /** no others are offered */
  readonly only?: readonly string[]
  readonly chosen: string
  readonly onChoose: (name: string) => void
}

export function MeasureChoice({ source, only, chosen: now, onChoose }: ChoiceProps): JSX.Element | null {
  const offered = chartMeasures(source).filter(({ name }) => only?.includes(name) ?? true)
  if (offered.length < 2) return null
  return (
    <Choice
      label="Measure"
      value={now}
      options={offered.map((one): [string, string] => [one.name, labelOf(one)])}
      onChoose={onChoose}
    />
  )
}

interface SelectProps {
  readonly label: string
  readonly value: string
  readonly options: readonly (readonly [value: string, label: string])[]
  readonly onChoose: (value: string) => void
}

export function Choice({ label, value, options, onChoose }: SelectProps): JSX.Element {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
      {options.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  )
}
