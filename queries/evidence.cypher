// evidence: Who says so? Every statement behind a relationship or a result, also the negated and hedged ones.
// param edge (edge): Id of the relationship or result, as the other queries return it.
// column paper (string): Title of the paper.
// column year (integer): Its year, where known.
// column polarity (string): asserted, negated, hedged, future or others.
// column confidence (float): Confidence of the statement.
// column source (string): Rule or model that found it.
// column sentences (list of string): What the paper says.
// column url (string): Address of the paper, where known.
MATCH (p:Paper)-[:STATES]->(e:Evidence {edge: $edge})
RETURN p.title AS paper, p.year AS year, e.polarity AS polarity, e.confidence AS confidence, e.source AS source,
       e.sentences AS sentences, p.url AS url
ORDER BY polarity, confidence DESC, paper, e.id
