import { CloudEvent, HTTP } from 'cloudevents'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BodyFormat } from '#core/body-format.ts'
import { textsOf } from '../ingest-fixture.ts'
import { rowsOfBody } from '../parse-body.ts'
import { BodyError } from './body-error.ts'

const rows = (text: string | Buffer, format: BodyFormat) => rowsOfBody(Buffer.from(text), format)
const REQUIRED = { specversion: '1.0', id: 'a', source: '/x', type: 't' }

test('a structured event and each one of a batch keep their text', async () => {
  const one = ' {"specversion":"1.0", "id":"a","source":"/x","type":"t","data":{"price":1.10}} '
  expect(textsOf(await rows(one, 'cloud-event'))).toEqual([one.trim()])
  expect(textsOf(await rows(`[${one},${one}]`, 'cloud-events'))).toEqual([one.trim(), one.trim()])
  expect(textsOf(await rows('[]', 'cloud-events'))).toEqual([])
})

test('an event of a batch that is no CloudEvent is rejected by itself', async () => {
  const events = [
    REQUIRED,
    { ...REQUIRED, id: undefined },
    { ...REQUIRED, source: '' },
    { ...REQUIRED, specversion: '0.3' },
    { ...REQUIRED, time: 'noon' },
    { ...REQUIRED, Shop: 1 },
    { ...REQUIRED, shop: {} },
    { ...REQUIRED, data: 1, data_base64: 'AA==' },
    { ...REQUIRED, data_base64: '***' },
    [1],
    { ...REQUIRED, subject: null, shop: 7, data: null },
  ]
  const { faults } = await rows(JSON.stringify(events), 'cloud-events')
  expect([...faults!]).toEqual([
    [1, 'CloudEvent: the attribute id is required but missing'],
    [2, 'CloudEvent: the attribute source must be a string that is not empty'],
    [3, "CloudEvent: specversion '0.3' is not supported; send 1.0"],
    [4, 'CloudEvent: the attribute time must match format "date-time"'],
    [5, 'CloudEvent: invalid extension name: Shop'],
    [6, 'CloudEvent: the attribute shop must be a string, number or boolean'],
    [7, 'CloudEvent: it has data and data_base64; send one of them'],
    [8, 'CloudEvent: data_base64 is not base64 text'],
    [9, 'a CloudEvent is a JSON object, in which data is one of the members'],
  ])
})

test('a batch and a single event are not taken for one another', async () => {
  await expect(rows('[]', 'cloud-event')).rejects.toThrow(/application\/cloudevents-batch\+json/)
  await expect(rows('{}', 'cloud-events')).rejects.toThrow(/application\/cloudevents\+json/)
})

test('what the package sends in binary mode is what it sends in structured mode', async () => {
  const data = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.integer()))
  await fc.assert(
    fc.asyncProperty(data, fc.stringMatching(/^[a-z]{1,9}$/), async (value, subject) => {
      const event = new CloudEvent({
        ...REQUIRED,
        time: '2026-01-31T12:00:00.000Z',
        subject,
        shop: 'x',
        data: value,
        datacontenttype: 'application/json',
      })
      const { headers, body } = HTTP.binary(event)
      const attributes = Object.fromEntries(
        Object.entries(headers).flatMap(([name, text]) =>
          name.startsWith('ce-') ? [[name.slice(3), String(text)]] : [],
        ),
      )
      const format: BodyFormat = { kind: 'cloud-event-data', attributes, dataType: String(headers['content-type']) }
      const [row] = textsOf(await rows(String(body), format))
      const { datacontenttype: _, ...found } = JSON.parse(row!)
      const { datacontenttype: _too, ...sent } = JSON.parse(String(HTTP.structured(event).body))
      expect(found).toEqual(sent)
    }),
  )
})

test.each([
  ['application/json', '{"n": 1.10}', '"data":{"n": 1.10}}'],
  ['application/vnd.shop+json; charset=utf-8', '[1,\n2]', '"data":[1, 2]}'],
  ['text/plain', 'say "hi"', '"data":"say \\"hi\\""}'],
  ['application/xml', '<a/>', '"data":"<a/>"}'],
  ['image/png', Buffer.from([0, 255]), '"data_base64":"AP8="}'],
  ['text/plain', Buffer.from([255]), '"data_base64":"/w=="}'],
])('data of type %s is a member of its kind', async (dataType, body, end) => {
  const [row] = textsOf(await rows(body, { kind: 'cloud-event-data', attributes: REQUIRED, dataType }))
  expect(row!.endsWith(end)).toBe(true)
  expect(JSON.parse(row!)).toMatchObject({ ...REQUIRED, datacontenttype: dataType })
})

test('binary data that cannot be read is refused', async () => {
  const format: BodyFormat = { kind: 'cloud-event-data', attributes: REQUIRED, dataType: null }
  await expect(rows('{', format)).rejects.toThrow(/data of the CloudEvent is not valid JSON/)
  await expect(rows('['.repeat(2_000) + ']'.repeat(2_000), format)).rejects.toThrow(/nested deeper than 1000 levels/)
  await expect(rows(Buffer.from([0xff]), format)).rejects.toThrow(BodyError)
  expect(textsOf(await rows('', format))).toEqual([JSON.stringify(REQUIRED)])
})
