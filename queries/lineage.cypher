// lineage: What is a method built on, and what was built on it, up to three steps away?
// param method (Method): The method, by name, alias or id.
// param limit (integer = 50): Rows at most.
// column direction (string): built on, or base of.
// column steps (integer): How many BASED_ON steps away.
// column other (string): The other method.
// column path (list of string): The methods on the way, newest first.
// column support (integer): Distinct papers behind the weakest step.
MATCH (m:Method)
WHERE toLower($method) IN [toLower(m.id), toLower(m.name)] OR any(a IN m.aliases WHERE toLower(a) = toLower($method))
MATCH path = (m)-[:BASED_ON*1..3]->(other:Method)
WITH 'built on' AS direction, other.name AS other, length(path) AS steps, [n IN nodes(path) | n.name] AS path,
     reduce(low = 1000000, r IN relationships(path) | CASE WHEN r.support < low THEN r.support ELSE low END) AS support
RETURN direction, steps, other, path, support
ORDER BY direction DESC, steps, support DESC, other, path
LIMIT $limit
UNION ALL
MATCH (m:Method)
WHERE toLower($method) IN [toLower(m.id), toLower(m.name)] OR any(a IN m.aliases WHERE toLower(a) = toLower($method))
MATCH path = (other:Method)-[:BASED_ON*1..3]->(m)
WITH 'base of' AS direction, other.name AS other, length(path) AS steps, [n IN nodes(path) | n.name] AS path,
     reduce(low = 1000000, r IN relationships(path) | CASE WHEN r.support < low THEN r.support ELSE low END) AS support
RETURN direction, steps, other, path, support
ORDER BY direction DESC, steps, support DESC, other, path
LIMIT $limit
