import { PLACEHOLDER } from '#core/source-shape.ts'

/**
 * The text with environment variables in place of `{env:NAME}`.
 * @param secrets gets their values
 * @throws Error if a variable is not set
 */
export function filled(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  secrets: string[],
): string {
  return text.replace(PLACEHOLDER, (_, variable: string) => {
    const value = environment[variable]
    if (value === undefined || value === '') throw new Error(`the environment variable ${variable} is not set`)
    secrets.push(value)
    return value
  })
}
