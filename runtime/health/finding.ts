/** What an examination found of one component. */

export interface Finding {
  readonly part:
    | 'log'
    | 'lake'
    | 'speed store'
    | 'generation'
    | 'dictionaries'
    | 'dictionary store'
    | 'schedule'
    | 'definition'
    | 'files'
    | 'sources'
    | 'sinks'
    /** the dataset could not be opened */
    | 'services'
  /** 'note': for information; 'attention': do what `advice` says */
  readonly state: 'ok' | 'note' | 'attention'
  readonly message: string
  readonly advice: string | null
  readonly numbers: Readonly<Record<string, number | string | null>>
}
