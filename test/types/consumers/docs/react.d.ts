// What the blocks of react.md take for granted, unless they declare it themselves.
import type { Hooks } from 'fastify-realtime/react'
import type { ReactNode, useEffect as reactUseEffect, useState as reactUseState } from 'react'
import type { Api } from './api.js'

declare global {
  const useEffect: typeof reactUseEffect
  const useState: typeof reactUseState
  const useClient: Hooks<Api>['useClient']
  const useConnection: Hooks<Api>['useConnection']
  const useRoom: Hooks<Api>['useRoom']
  const usePresence: Hooks<Api>['usePresence']
  const useDirect: Hooks<Api>['useDirect']
  const useCall: Hooks<Api>['useCall']
  function Chat (props: { id: string }): ReactNode
  function getToken (): Promise<string>
  function reload (): Promise<void>
  function notify (order: string): Promise<void>
}
