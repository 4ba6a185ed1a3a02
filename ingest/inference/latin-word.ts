/** Names of columns and datasets from names as people give them. */

/** letters that Unicode does not decompose into one of a to z and a mark */
const SPELT_OUT: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ð: 'd',
  đ: 'd',
  þ: 'th',
  ł: 'l',
  ħ: 'h',
  ŧ: 't',
  ı: 'i',
}

/**
 * Lower-case words of a to z and digits, joined by `_`; empty if nothing is left.
 *
 * @example
 * latinWord('Départ (UTC)') // 'depart_utc'
 * latinWord('Größe') // 'grosse'
 */
export function latinWord(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[ßæœøðđþłħŧı]/g, (letter) => SPELT_OUT[letter]!)
    .replace(/[^a-z\d]+/g, '_')
    .replace(/^_+|_+$/g, '')
}
