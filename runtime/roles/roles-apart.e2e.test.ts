import { rolesApartContract } from './roles-apart-contract.ts'

rolesApartContract('one data folder', async () => ({ settings: {}, stop: async () => {} }))
