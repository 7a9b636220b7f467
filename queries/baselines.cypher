// baselines: Which methods is a method compared with, and who is said to be better?
// param method (Method): The method, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column other (string): The other method; the paper's title where it has no name.
// column wins (integer): Papers that say the method outperforms the other.
// column losses (integer): Papers that say the other outperforms the method.
// column draws (integer): Papers that compare them without a stated winner.
MATCH (m:Method)
WHERE toLower($method) IN [toLower(m.id), toLower(m.name)] OR any(a IN m.aliases WHERE toLower(a) = toLower($method))
MATCH (m)-[r:OUTPERFORMS|COMPARED_WITH]-(other:Method|Paper)
WITH other,
     sum(CASE WHEN type(r) = 'OUTPERFORMS' AND startNode(r).id = m.id THEN r.support ELSE 0 END) AS wins,
     sum(CASE WHEN type(r) = 'OUTPERFORMS' AND endNode(r).id = m.id THEN r.support ELSE 0 END) AS losses,
     sum(CASE WHEN type(r) = 'COMPARED_WITH' THEN r.support ELSE 0 END) AS draws
RETURN other.name AS other, wins, losses, draws
ORDER BY wins + losses + draws DESC, other
LIMIT $limit
