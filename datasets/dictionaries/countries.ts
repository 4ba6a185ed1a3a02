/** Country names and ISO codes (ISO 3166-1, from i18n-iso-countries), under every key that streams use: us, US, USA, 840 and odd names. */
// Of the package, only the table and English: it would load all of its languages.
import countries from 'i18n-iso-countries/index.js'
import english from 'i18n-iso-countries/langs/en.json' with { type: 'json' }
import aliases from './country-aliases.json' with { type: 'json' }

countries.registerLocale(english)

export interface CountryEntry {
  readonly key: string
  readonly attributes: { readonly name: string; readonly iso2: string; readonly iso3: string; readonly numeric: string }
}

/** One entry per key; the lower-case two-letter code is what RSVPs use. */
export function* countryEntries(): Generator<CountryEntry> {
  const seen = new Set<string>()
  const add = function* (key: string, iso2: string): Generator<CountryEntry> {
    if (seen.has(key)) return
    seen.add(key)
    const name = countries.getName(iso2, 'en')
    const iso3 = countries.alpha2ToAlpha3(iso2)
    const numeric = countries.alpha2ToNumeric(iso2)
    if (name && iso3 && numeric) yield { key, attributes: { name, iso2, iso3, numeric } }
  }
  for (const iso2 of Object.keys(countries.getAlpha2Codes())) {
    yield* add(iso2.toLowerCase(), iso2)
    yield* add(iso2, iso2)
    yield* add(countries.alpha2ToAlpha3(iso2) ?? iso2, iso2)
    yield* add(countries.getName(iso2, 'en') ?? iso2, iso2)
  }
  for (const [alias, iso2] of Object.entries(aliases)) yield* add(alias, iso2)
}
