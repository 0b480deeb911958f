import type { Task } from './api/types';
import { createStore } from './store';

/** What the keyboard and the palette can do with the list on the screen. */
export interface ListCommands {
  move(delta: number): void;
  extend(delta: number): void;
  /** The selected tasks, else the one that has the focus (or had it last). */
  targets(): Task[];
  current(): Task | null;
  /** Where a popover about the current row belongs. */
  anchor(): Element | null;
  clearSelection(): boolean;
  search(): void;
}

export const activeList = createStore<ListCommands | null>(null);

/** The field that the panel is to focus once it is open. */
export const panelField = createStore<'title' | null>(null);
