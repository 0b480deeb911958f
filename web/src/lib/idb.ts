/** One IndexedDB store of records, in the order of their keys. */
const databaseName = 'todo';
const storeName = 'outbox';

let opening: Promise<IDBDatabase> | undefined;

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function open(): Promise<IDBDatabase> {
  opening ??= (() => {
    const request = indexedDB.open(databaseName, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(storeName, { keyPath: 'seq' });
    return promised(request);
  })();
  return opening;
}

async function records(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const database = await open();
  return database.transaction(storeName, mode, { durability: 'relaxed' }).objectStore(storeName);
}

export async function readAll<T>(): Promise<T[]> {
  return promised((await records('readonly')).getAll()) as Promise<T[]>;
}

export async function put(record: unknown): Promise<void> {
  await promised((await records('readwrite')).put(record));
}

export async function remove(key: number): Promise<void> {
  await promised((await records('readwrite')).delete(key));
}

export async function removeAll(): Promise<void> {
  await promised((await records('readwrite')).clear());
}
