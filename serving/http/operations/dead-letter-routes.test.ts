/** Dead letters take turns with queries. */
import { expect, test } from 'vitest'
import { serveShop } from '#serving/http/serve-app-fixture.ts'

test('the bytes of a letter are read in a turn, like every other list', async () => {
  const shop = await serveShop({ queriesMax: 1, queriesPerClientMax: 1, queriesWaitingMax: 0 })
  const { lake } = shop.parts.datasets!.get('shop')!
  const [reading, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const chains = lake.chains.bind(lake)
  lake.chains = async (...asked) => {
    reading.resolve()
    await go.promise
    return chains(...asked)
  }
  const letters = '/v1/datasets/shop/dead-letters'
  const first = shop.app.inject(letters)
  await reading.promise
  lake.chains = chains
  expect((await shop.app.inject(`${letters}/0:0`)).json()).toMatchObject({ status: 429 })
  go.resolve()
  expect((await first).statusCode).toBe(200)
  expect((await shop.app.inject(`${letters}/0:0`)).statusCode).toBe(404)
  await shop.close()
})
