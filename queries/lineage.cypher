// lineage: What is a method built on, and what was built on it, up to three steps away?
// param method (Method): The method, by name, alias or id.
// param limit (integer = 50): Rows at most.
// column direction (string): built on, or base of.
// column steps (integer): How many BASED_ON steps away.
// column other (string): The other method; the paper's title where it has no name.
// column path (list of string): The methods on the way, newest first.
// column support (integer): Distinct papers behind the weakest step.
MATCH (m:Method)
WHERE toLower($method) IN [toLower(m.id), toLower(m.name)] OR any(a IN m.aliases WHERE toLower(a) = toLower($method))
CALL (m) {
  MATCH path = (m)-[:BASED_ON*1..3]->(other:Method)
  RETURN 'built on' AS direction, other, path
  UNION ALL
  MATCH path = (other:Method|Paper)-[:BASED_ON*1..3]->(m)
  RETURN 'base of' AS direction, other, path
}
WITH direction, other.name AS other, length(path) AS steps, [n IN nodes(path) | n.name] AS path,
     reduce(low = 1000000, r IN relationships(path) | CASE WHEN r.support < low THEN r.support ELSE low END) AS support
RETURN direction, steps, other, path, support
ORDER BY direction DESC, steps, support DESC, other, path
LIMIT $limit
