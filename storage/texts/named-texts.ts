/**
 * Port: small texts under names, which all processes of a platform share: a few hundred bytes each, read and written seldom.
 * Drivers: local/folder-texts (a folder), s3/s3-texts (a bucket).
 */
export interface NamedTexts {
  /** how often it is worth to look for something new, ms: a look at a bucket is a request */
  readonly lookEveryMs: number
  /** the name as messages have it, by which a person finds the text */
  nameOf(name: string): string
  /** of all texts, in no order; one that was just written may be missing where listings are late */
  names(): Promise<readonly string[]>
  /** null: there is none */
  read(name: string): Promise<string | null>
  /** Durable when it resolves: of several concurrent callers only one gets `true`, and its text stays. @throws LakeError */
  create(name: string, text: string): Promise<boolean>
  /** Durable when it resolves, and in one step. @throws LakeError */
  replace(name: string, text: string): Promise<void>
  /** @returns whether there was one */
  remove(name: string): Promise<boolean>
}

const NAME = /^[\w-]{1,64}(\/[\w-]{1,64})?\.(json|state)$/

/** Whether it can be a text's: others in the same place are left alone. */
export function isName(name: string): boolean {
  return NAME.test(name)
}

/** @returns the name. @throws RangeError if it is not a valid file name (example: `../a.json`) */
export function checkedName(name: string): string {
  if (isName(name)) return name
  throw new RangeError(`'${name}' is not a valid name of a text`)
}

/** Brings texts to another place, where those that are there stay. @returns how many were brought */
export async function copyTexts(from: NamedTexts, to: NamedTexts): Promise<number> {
  let copied = 0
  for (const name of await from.names()) {
    const text = await from.read(name)
    if (text !== null && (await to.create(name, text))) copied++
  }
  return copied
}
