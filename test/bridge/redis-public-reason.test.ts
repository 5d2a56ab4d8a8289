import t from 'tap'
import { publicReason } from '../../lib/bridge/redis/public-reason.js'

await t.test('what anyone may be told names no host', async (t) => {
  const reasons = {
    'Redis does not answer': 'Redis does not answer',
    'there is no connection to Redis: connect ECONNREFUSED 10.0.0.7:6379': 'there is no connection to Redis',
    'getaddrinfo ENOTFOUND (redis.internal)': 'getaddrinfo ENOTFOUND',
    "Redis refused: OOM command not allowed when used memory > 'maxmemory'.": 'Redis refused: OOM',
    'Redis refused: ERR Error running script (call to f_1): @user_script:1: -READONLY You can not write': 'Redis refused: READONLY'
  }
  for (const [reason, told] of Object.entries(reasons)) t.equal(publicReason(reason), told)
})
