/** Asks for the name of a saved view. */
import type { JSX } from 'preact'
import { useId, useRef } from 'preact/hooks'

interface NameFormProps {
  readonly label: string
  readonly submit: string
  /** it has it already: it is renamed */
  readonly name?: string
  readonly onName: (name: string) => void
}

const NAME_CHARS_MAX = 80

export function NameForm({ label, submit, name = '', onName }: NameFormProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  const id = useId()
  return (
    <form
      class="name-form"
      onSubmit={(event) => {
        event.preventDefault()
        const given = input.current!.value.trim()
        if (given === '') return input.current!.focus()
        input.current!.value = ''
        onName(given)
      }}
    >
      <label for={id}>{label}</label>
      <input ref={input} id={id} defaultValue={name} maxLength={NAME_CHARS_MAX} autoComplete="off" />
      <button type="submit" class="button">
        {submit}
      </button>
    </form>
  )
}
