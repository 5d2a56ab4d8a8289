import { localStorageQueue, shareTabs } from 'fastify-realtime/client'
import type { ClientOptions } from 'fastify-realtime/client'
import { createHooks } from 'fastify-realtime/react'
import type { Api } from '../api.js'
import { signIn, SignInError, tokenKey } from './session.js'

/** The hooks, typed by the server: a wrong event, content or room id does not compile. */
export const { useCall, useClient, useConnection, useDirect, usePresence, useRoom } = createHooks<Api>()

/** How the page connects as somebody. */
export function optionsFor (name: string): ClientOptions {
  return {
    url: '/realtime',
    // All direct messages that are kept: the page has no other store of them.
    inbox: 'start',
    // What is waiting survives a reload.
    queue: { storage: localStorageQueue(`chat:${name}`) },
    // With `?share`: one connection for all tabs of this browser in which somebody signed in under this name.
    ...(new URLSearchParams(location.search).has('share') && { shareTabs: shareTabs() }),
    async getToken ({ reason }) {
      const kept = sessionStorage.getItem(tokenKey(name))
      if (reason === 'connect' && kept !== null) return kept
      try {
        return await signIn(name)
      } catch (error) {
        if (error instanceof SignInError && error.final) return null
        throw error
      }
    },
    // Told in the page itself; whoever looks into the console sees the reasons.
    onError: (error) => console.warn(error)
  }
}
