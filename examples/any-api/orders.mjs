// Lists orders, as a page does: the mock allows any origin, and exposes the headers that the contract declares.
export async function orders(url) {
  const answer = await fetch(`${url}/orders?limit=5`, { headers: { "X-Api-Key": "any-key" } });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.headers.get("X-Mock-Message")}`);
  return { total: Number(answer.headers.get("X-Total-Count")), list: await answer.json() };
}
