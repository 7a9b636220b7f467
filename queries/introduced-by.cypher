// introduced-by: Which paper introduced a method, data set or benchmark, and which mentioned it first?
// param name (Method, Dataset, Benchmark): The method, data set or benchmark, by name, alias or id.
// param limit (integer = 10): Rows at most.
// column role (string): introduces, or mentions.
// column paper (string): Title of the paper.
// column published (date): Its date, where known.
// column year (integer): Its year, where known.
// column confidence (float): Of the statement that introduces it; null for a mention.
// column url (string): Address of the paper, where known.
MATCH (x:Method|Dataset|Benchmark)
WHERE toLower($name) IN [toLower(x.id), toLower(x.name)] OR any(a IN x.aliases WHERE toLower(a) = toLower($name))
MATCH (p:Paper)-[:MENTIONS]->(x)
OPTIONAL MATCH (p)-[r:INTRODUCES]->(x)
RETURN CASE WHEN r IS NULL THEN 'mentions' ELSE 'introduces' END AS role, p.title AS paper,
       p.published AS published, p.year AS year, r.confidence AS confidence, p.url AS url
ORDER BY role, year IS NULL, year, published IS NULL, published, paper
LIMIT $limit
