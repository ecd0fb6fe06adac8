BEGIN TRANSACTION;
CREATE TABLE adapters (
	name VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	base_model VARCHAR NOT NULL, 
	base_sha256 VARCHAR NOT NULL, 
	dataset_id VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	manifest JSON NOT NULL, 
	created_at VARCHAR NOT NULL, 
	PRIMARY KEY (name, version)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0009');
CREATE TABLE annotation_decisions (
	decision_id VARCHAR NOT NULL, 
	task_uid VARCHAR NOT NULL, 
	result JSON NOT NULL, 
	method VARCHAR NOT NULL, 
	decided_by VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	inputs JSON NOT NULL, 
	current BOOLEAN NOT NULL, 
	decided_at VARCHAR NOT NULL, 
	PRIMARY KEY (decision_id), 
	FOREIGN KEY(task_uid) REFERENCES annotation_tasks (uid)
);
INSERT INTO "annotation_decisions" VALUES('934a054153937d81','3390f4d01f98962e','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART", "TIME"]}}]','ground truth','p1@example.com','marked as ground truth in Label Studio','["51f9b967ac6b9324"]',1,'2026-02-01T10:00:00Z');
INSERT INTO "annotation_decisions" VALUES('e18faa23de78547d','9c683ef618bb7ae4','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]','expert','lead@example.com','It says so.','["bed1c8cbb6a54bc8", "99cd6d17ff0b4a07"]',1,'2026-03-02T10:00:00Z');
INSERT INTO "annotation_decisions" VALUES('05c8d21e289caeb9','50b0ef94076e6b05','[{"id": "a6ef118c68", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]','consensus','majority','confidence 0.854 over p1@example.com, p2@example.com','["9af60d84fc46f414", "402602da4ffbb7b3"]',1,'2026-11-27T21:50:25+00:00');
INSERT INTO "annotation_decisions" VALUES('84a2bdb3edc28132','6d5d7ede21bb2da9','[{"id": "452e75aebf", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]','consensus','majority','confidence 0.854 over p1@example.com, p2@example.com','["fd72440a6db966b4", "02178d8551e32737"]',1,'2026-11-27T21:50:25+00:00');
CREATE TABLE annotation_projects (
	name VARCHAR NOT NULL, 
	task_type VARCHAR NOT NULL, 
	backend VARCHAR NOT NULL, 
	external_id VARCHAR, 
	config TEXT NOT NULL, 
	synced_at VARCHAR, description JSON DEFAULT '{}' NOT NULL, purpose VARCHAR DEFAULT 'annotation' NOT NULL, parent VARCHAR, foreign_tasks INTEGER DEFAULT '0' NOT NULL, overlap INTEGER DEFAULT '2' NOT NULL, overlap_share DOUBLE DEFAULT '0.2' NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "annotation_projects" VALUES('parts','entities','files','parts','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"/>
  <Labels name="label" toName="text">
    <Label value="PART" background="#2891bd"/>
    <Label value="TIME" background="#bcbd28"/>
  </Labels>
  <Relations>
    <Relation value="feeds"/>
  </Relations>
  <Text name="text" value="$text" granularity="word"/>
</View>
',NULL,'{"type": "entities", "title": "", "guideline": "", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": false, "relations": ["feeds"], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('who','coreference','files','who','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae">
    <Header value="Mentions of the same thing" size="5"/>
    <Header value="Mark every mention of a person, thing or organisation that the text names at least twice: names, descriptions and pronouns." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Link each mention to another one of the same thing; the direction of a link carries no meaning." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Mark the whole phrase with its article, without the clause that follows it." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
  </View>
  <Labels name="label" toName="text">
    <Label value="PART" background="#2891bd"/>
    <Label value="TIME" background="#bcbd28"/>
  </Labels>
  <Relations>
    <Relation value="same"/>
  </Relations>
  <Text name="text" value="$text" granularity="word"/>
</View>
',NULL,'{"type": "coreference", "title": "Mentions of the same thing", "guideline": "Mark every mention of a person, thing or organisation that the text names at least twice: names, descriptions and pronouns.\nLink each mention to another one of the same thing; the direction of a link carries no meaning.\nMark the whole phrase with its article, without the clause that follows it.", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": false, "relations": [], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('tags','pos','files','tags','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae">
    <Header value="Parts of speech" size="5"/>
    <Header value="Give every token one of the 17 universal tags (universaldependencies.org)." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Judge by the use in this sentence: “pump” is a NOUN in “the pump” and a VERB in “pump it out”." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Where a token was cut wrongly, delete it and mark its parts." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
  </View>
  <Labels name="label" toName="text">
    <Label value="PART" background="#2891bd"/>
    <Label value="TIME" background="#bcbd28"/>
  </Labels>
  <Text name="text" value="$text" granularity="symbol"/>
</View>
',NULL,'{"type": "pos", "title": "Parts of speech", "guideline": "Give every token one of the 17 universal tags (universaldependencies.org).\nJudge by the use in this sentence: \u201cpump\u201d is a NOUN in \u201cthe pump\u201d and a VERB in \u201cpump it out\u201d.\nWhere a token was cut wrongly, delete it and mark its parts.", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": false, "relations": [], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('topics','classification','files','topics','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"/>
  <Choices name="class" toName="text" showInline="true" choice="single-radio" required="true">
    <Choice value="PART" color="#2891bd"/>
    <Choice value="TIME" color="#bcbd28"/>
  </Choices>
  <Text name="text" value="$text" granularity="word"/>
</View>
',NULL,'{"type": "classification", "title": "", "guideline": "", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": false, "relations": [], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('several','classification','files','several','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"/>
  <Choices name="class" toName="text" showInline="true" choice="multiple">
    <Choice value="PART" color="#2891bd"/>
    <Choice value="TIME" color="#bcbd28"/>
  </Choices>
  <Text name="text" value="$text" granularity="word"/>
</View>
',NULL,'{"type": "classification", "title": "", "guideline": "", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": true, "relations": [], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('qa','prompt-response','files','qa','<View>
  <Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae">
    <Header value="Question and answer" size="5"/>
    <Header value="Correct the question until it reads as someone would ask it without seeing the passage." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Write an answer that is complete, and that says only what the documents say." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="Mark the words of the passage that the answer rests on; quote what stands elsewhere in the same document." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
    <Header value="If the passage does not answer the question, tick the box instead of guessing." size="6" style="font-size: 14px; font-weight: 400; line-height: 1.35; margin: 0.2em 0"/>
  </View>
  <Header value="$conversation" size="6"/>
  <Labels name="evidence" toName="passage">
    <Label value="evidence" hotkey="e" background="#2a9d8f" hint="Mark the words of the passage that the answer rests on"/>
  </Labels>
  <Text name="passage" value="$text" granularity="word"/>
  <Header value="Question" size="5"/>
  <TextArea name="prompt" toName="passage" rows="2" maxSubmissions="1" editable="true" required="true" requiredMessage="Write the question" placeholder="The question, as someone would ask it"/>
  <Header value="Answer" size="5"/>
  <TextArea name="response" toName="passage" rows="4" maxSubmissions="1" editable="true" placeholder="The answer, complete and only from the documents"/>
  <Choices name="answerable" toName="passage" choice="multiple">
    <Choice value="not answerable from this passage" hotkey="n"/>
  </Choices>
  <Header value="Other quotes from the same document (optional)" size="6"/>
  <TextArea name="quotes" toName="passage" rows="2" editable="true" placeholder="An exact quote that the passage above does not show; one entry for each"/>
  <Header value="How good is the pair?" size="6"/>
  <Rating name="rating" toName="passage" maxRating="5"/>
  <Header value="Comment (optional)" size="6"/>
  <TextArea name="comment" toName="passage" rows="1" maxSubmissions="1" editable="true"/>
</View>
',NULL,'{"type": "prompt-response", "title": "Question and answer", "guideline": "Correct the question until it reads as someone would ask it without seeing the passage.\nWrite an answer that is complete, and that says only what the documents say.\nMark the words of the passage that the answer rests on; quote what stands elsewhere in the same document.\nIf the passage does not answer the question, tick the box instead of guessing.", "labels": [], "multiple": false, "relations": [], "examples": []}','annotation',NULL,0,2,0.2);
INSERT INTO "annotation_projects" VALUES('topics review','classification','files','topics review','<View>
  <Header value="The annotators'' answers (each is also a prediction that you can take over)" size="5"/><Table name="answers" value="$answers"/><Header value="$title" size="5"/>
  <View style="max-height: 14em; overflow-y: auto; padding: 0 1em; border-left: 4px solid #8d99ae"/>
  <Choices name="class" toName="text" showInline="true" choice="single-radio" required="true">
    <Choice value="PART" color="#2891bd"/>
    <Choice value="TIME" color="#bcbd28"/>
  </Choices>
  <Text name="text" value="$text" granularity="word"/>
<Header value="Why do you decide so?" size="5"/><TextArea name="reason" toName="text" rows="2" maxSubmissions="1" editable="true" required="true" requiredMessage="Say why you decide so" placeholder="What the guideline or the document says; it is kept with the decision"/></View>
',NULL,'{"type": "classification", "title": "", "guideline": "", "labels": [{"name": "PART", "meaning": "", "hotkey": null, "color": null, "examples": []}, {"name": "TIME", "meaning": "", "hotkey": null, "color": null, "examples": []}], "multiple": false, "relations": [], "examples": []}','review','topics',0,1,0.2);
CREATE TABLE annotation_tasks (
	uid VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	external_id VARCHAR, 
	document_id VARCHAR, 
	version VARCHAR, 
	chunk_id VARCHAR, 
	data JSON NOT NULL, 
	predictions JSON NOT NULL, 
	state VARCHAR NOT NULL, 
	created_at VARCHAR NOT NULL, stale VARCHAR, gold JSON, origin JSON, overlap INTEGER DEFAULT '1' NOT NULL, skipped INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (uid), 
	FOREIGN KEY(project) REFERENCES annotation_projects (name)
);
INSERT INTO "annotation_tasks" VALUES('945424caaa601d95','parts','945424caaa601d95',NULL,NULL,NULL,'{"uid": "945424caaa601d95", "title": "", "conversation": "", "prompt": "", "group": "945424caaa601d95", "history": [], "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.1, "result": []}]','labelled','2026-11-27T21:50:18+00:00',NULL,NULL,'{"file": "t", "id": "0"}',1,0);
INSERT INTO "annotation_tasks" VALUES('c174a3a02549f666','parts','c174a3a02549f666',NULL,NULL,NULL,'{"uid": "c174a3a02549f666", "title": "", "conversation": "", "prompt": "", "group": "c174a3a02549f666", "history": [], "text": "The \ud83d\ude00 line holds 2 pumps.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.1, "result": []}]','pushed','2026-11-27T21:50:18+00:00',NULL,NULL,'{"file": "t", "id": "1"}',2,0);
INSERT INTO "annotation_tasks" VALUES('a6c157a108861a49','who','a6c157a108861a49',NULL,NULL,NULL,'{"uid": "a6c157a108861a49", "title": "", "conversation": "", "prompt": "", "group": "a6c157a108861a49", "history": [], "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.1, "result": []}]','labelled','2026-11-27T21:50:20+00:00',NULL,NULL,'{"file": "t", "id": "0"}',2,0);
INSERT INTO "annotation_tasks" VALUES('1387ef8de5b285c9','tags','1387ef8de5b285c9',NULL,NULL,NULL,'{"uid": "1387ef8de5b285c9", "title": "", "conversation": "", "prompt": "", "group": "1387ef8de5b285c9", "history": [], "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[]','labelled','2026-11-27T21:50:21+00:00',NULL,NULL,'{"file": "t", "id": "0"}',2,0);
INSERT INTO "annotation_tasks" VALUES('6d5d7ede21bb2da9','topics','6d5d7ede21bb2da9',NULL,NULL,NULL,'{"uid": "6d5d7ede21bb2da9", "title": "", "conversation": "", "prompt": "", "group": "6d5d7ede21bb2da9", "history": [], "text": "Text 0 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.667, "result": [{"id": "452e75aebf", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}]','labelled','2026-11-27T21:50:22+00:00',NULL,NULL,'{"file": "t", "id": "0"}',1,0);
INSERT INTO "annotation_tasks" VALUES('9c683ef618bb7ae4','topics','9c683ef618bb7ae4',NULL,NULL,NULL,'{"uid": "9c683ef618bb7ae4", "title": "", "conversation": "", "prompt": "", "group": "9c683ef618bb7ae4", "history": [], "text": "Text 1 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.667, "result": [{"id": "e775a0a49d", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}]','labelled','2026-11-27T21:50:22+00:00',NULL,NULL,'{"file": "t", "id": "1"}',1,0);
INSERT INTO "annotation_tasks" VALUES('50b0ef94076e6b05','topics','50b0ef94076e6b05',NULL,NULL,NULL,'{"uid": "50b0ef94076e6b05", "title": "", "conversation": "", "prompt": "", "group": "50b0ef94076e6b05", "history": [], "text": "Text 2 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.667, "result": [{"id": "a6ef118c68", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}]','labelled','2026-11-27T21:50:22+00:00',NULL,NULL,'{"file": "t", "id": "2"}',2,0);
INSERT INTO "annotation_tasks" VALUES('ae4767a6b279d456','topics','ae4767a6b279d456',NULL,NULL,NULL,'{"uid": "ae4767a6b279d456", "title": "", "conversation": "", "prompt": "", "group": "ae4767a6b279d456", "history": [], "text": "Text 3 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.667, "result": [{"id": "6003e39c04", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}]','labelled','2026-11-27T21:50:22+00:00',NULL,NULL,'{"file": "t", "id": "3"}',1,0);
INSERT INTO "annotation_tasks" VALUES('14be4848eb6207b0','topics','14be4848eb6207b0',NULL,NULL,NULL,'{"uid": "14be4848eb6207b0", "title": "", "conversation": "", "prompt": "", "group": "14be4848eb6207b0", "history": [], "text": "Text 4 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.667, "result": [{"id": "6aa465a606", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}]','labelled','2026-11-27T21:50:22+00:00',NULL,'[{"id": "6aa465a606", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]','{"file": "t", "id": "4"}',1,0);
INSERT INTO "annotation_tasks" VALUES('3390f4d01f98962e','several','3390f4d01f98962e',NULL,NULL,NULL,'{"uid": "3390f4d01f98962e", "title": "", "conversation": "", "prompt": "", "group": "3390f4d01f98962e", "history": [], "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.1, "result": []}]','labelled','2026-11-27T21:50:23+00:00',NULL,NULL,'{"file": "t", "id": "0"}',2,0);
INSERT INTO "annotation_tasks" VALUES('77b5de7a9130172d','qa','77b5de7a9130172d',NULL,NULL,NULL,'{"uid": "77b5de7a9130172d", "title": "", "conversation": "", "prompt": "What do the documents say about 410-778?", "group": "77b5de7a9130172d", "history": [], "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "rules-1", "score": 0.7, "result": [{"id": "f1ea0a2663", "from_name": "evidence", "to_name": "passage", "type": "labels", "value": {"start": 0, "end": 81, "text": "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year.", "labels": ["evidence"]}}, {"id": "b2ce9185be", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What do the documents say about 410-778?"]}}, {"id": "70996a61cb", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year."]}}]}]','labelled','2026-11-27T21:50:23+00:00',NULL,NULL,'{"file": "t", "id": "0"}',2,0);
INSERT INTO "annotation_tasks" VALUES('98298dae6e740848','qa',NULL,NULL,NULL,NULL,'{"uid": "98298dae6e740848", "title": "", "conversation": "", "prompt": "How?", "group": "98298dae6e740848", "history": [], "text": "Keep it dry.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[{"model_version": "given", "score": 0.0, "result": [{"id": "4f6fe0f18c", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["How?"]}}]}]','created','2026-11-27T21:50:24+00:00',NULL,'[{"id": "431dce8959", "from_name": "evidence", "to_name": "passage", "type": "labels", "value": {"start": 5, "end": 7, "text": "it", "labels": ["evidence"]}}, {"id": "96300cc072", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["How?"]}}, {"id": "0392ee989c", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["dry"]}}, {"id": "28f93c1c39", "from_name": "rating", "to_name": "passage", "type": "rating", "value": {"rating": 5}}]',NULL,1,0);
INSERT INTO "annotation_tasks" VALUES('20fb363e6fdaffee','topics',NULL,NULL,NULL,NULL,'{"uid": "20fb363e6fdaffee", "title": "page 2", "conversation": "", "prompt": "", "group": "20fb363e6fdaffee", "history": [], "text": "Taken from a file.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": 2, "heading": ""}','[]','labelled','2026-11-27T21:50:24+00:00',NULL,NULL,'{"imported": {"item_id": "i", "meta": {"page": 2}}}',1,0);
INSERT INTO "annotation_tasks" VALUES('9b268b77f8112d43','qa',NULL,NULL,NULL,NULL,'{"uid": "9b268b77f8112d43", "title": "", "conversation": "", "prompt": "Who?", "group": "g1", "history": [], "text": "", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[]','labelled','2026-11-27T21:50:24+00:00',NULL,NULL,NULL,1,0);
INSERT INTO "annotation_tasks" VALUES('50f6267cb280f08a','qa',NULL,NULL,NULL,NULL,'{"uid": "50f6267cb280f08a", "title": "", "conversation": "", "prompt": "Why?", "group": "50f6267cb280f08a", "history": [], "text": "", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": ""}','[]','labelled','2026-11-27T21:50:24+00:00',NULL,NULL,NULL,1,0);
INSERT INTO "annotation_tasks" VALUES('d6d64387a20f22d2','topics review','d6d64387a20f22d2',NULL,NULL,NULL,'{"uid": "d6d64387a20f22d2", "title": "", "conversation": "", "prompt": "", "group": "9c683ef618bb7ae4", "history": [], "text": "Text 1 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": "", "answers": {"Answer 1": "PART", "Answer 2": "TIME"}}','[{"model_version": "answer 1", "score": 0.4446, "result": [{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}, {"model_version": "answer 2", "score": 0.4446, "result": [{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]}]','labelled','2026-11-27T21:50:25.232523+00:00',NULL,NULL,'{"task": "9c683ef618bb7ae4", "inputs": ["bed1c8cbb6a54bc8", "99cd6d17ff0b4a07"], "expert": "lead@example.com", "reason": "p1@example.com and p2@example.com agree to 0%: \u201cPART\u201d or \u201cTIME\u201d."}',1,0);
INSERT INTO "annotation_tasks" VALUES('804ce71f87e6fffa','topics review','804ce71f87e6fffa',NULL,NULL,NULL,'{"uid": "804ce71f87e6fffa", "title": "", "conversation": "", "prompt": "", "group": "ae4767a6b279d456", "history": [], "text": "Text 3 is about a part.", "source": "", "document_id": "", "version": "", "chunk_id": "", "start": 0, "page": null, "heading": "", "answers": {"Answer 1": "PART", "Answer 2": "TIME"}}','[{"model_version": "answer 1", "score": 0.4446, "result": [{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]}, {"model_version": "answer 2", "score": 0.4446, "result": [{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]}]','labelled','2026-11-27T21:50:25.279597+00:00',NULL,NULL,'{"task": "ae4767a6b279d456", "inputs": ["f6e0545c47315427", "66f8e4194b226ab4"], "expert": "lead@example.com", "reason": "p1@example.com and p2@example.com agree to 0%: \u201cPART\u201d or \u201cTIME\u201d."}',1,0);
CREATE TABLE annotations (
	annotation_id VARCHAR NOT NULL, 
	task_uid VARCHAR NOT NULL, 
	external_id VARCHAR NOT NULL, 
	revision VARCHAR NOT NULL, 
	annotator VARCHAR NOT NULL, 
	result JSON NOT NULL, 
	current BOOLEAN NOT NULL, 
	created_at VARCHAR NOT NULL, 
	pulled_at VARCHAR NOT NULL, 
	PRIMARY KEY (annotation_id), 
	FOREIGN KEY(task_uid) REFERENCES annotation_tasks (uid), 
	UNIQUE (task_uid, external_id, revision)
);
INSERT INTO "annotations" VALUES('ae56c451f9220c9b','945424caaa601d95','945424caaa601d95:1','c47f64b0a12c8b9f','p1@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}, {"from_id": "a", "to_id": "b", "type": "relation", "direction": "bi", "labels": ["feeds"]}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:20+00:00');
INSERT INTO "annotations" VALUES('7db5e245b7ff604f','945424caaa601d95','945424caaa601d95:2','f7d062fc5237602f','p2@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}, {"id": "d", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 20, "end": 25, "text": "feeds", "labels": ["VERB"]}}, {"id": "e", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 76, "end": 900, "text": "year", "labels": ["PART"]}}, {"from_id": "a", "to_id": "d", "type": "relation", "direction": "right", "labels": ["feeds"]}, {"from_id": "a", "to_id": "c", "type": "relation", "direction": "right", "labels": []}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:20+00:00');
INSERT INTO "annotations" VALUES('4ed09045bf825478','945424caaa601d95','945424caaa601d95:3','0c11fc93958f0d5a','p3@example.com','[{"id": "d", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 20, "end": 25, "text": "feeds", "labels": ["VERB"]}}]',1,'2026-02-03T10:00:00Z','2026-11-27T21:50:20+00:00');
INSERT INTO "annotations" VALUES('40cbe6b0b9b0cce4','945424caaa601d95','945424caaa601d95:4','4f53cda18c2baa0c','p4@example.com','[]',1,'2026-02-04T10:00:00Z','2026-11-27T21:50:20+00:00');
INSERT INTO "annotations" VALUES('4cad62f06ca7978d','a6c157a108861a49','a6c157a108861a49:1','a11ca0a0baa2fb22','p1@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}, {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right", "labels": ["same"]}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:21+00:00');
INSERT INTO "annotations" VALUES('15fa52d5330898fb','a6c157a108861a49','a6c157a108861a49:2','eef870549bec69dc','p2@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}, {"from_id": "a", "to_id": "a", "type": "relation", "direction": "right", "labels": []}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:21+00:00');
INSERT INTO "annotations" VALUES('a7e99054557b7d0c','1387ef8de5b285c9','1387ef8de5b285c9:1','5cae3fa1bd4dc64c','p1@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('d2a91ab2c067e2a5','1387ef8de5b285c9','1387ef8de5b285c9:2','3fb772b574afc76f','p2@example.com','[{"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "pump", "labels": ["PART"]}}, {"id": "b", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["PART"]}}, {"id": "c", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 68, "end": 80, "text": "twice a year", "labels": ["TIME"]}}, {"id": "f", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 37, "end": 45, "text": "line and", "labels": ["PART"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('13dd01e2651a8ec6','14be4848eb6207b0','14be4848eb6207b0:1','573be7c4abb08df7','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('b5e456cc92316ef3','14be4848eb6207b0','14be4848eb6207b0:2','573be7c4abb08df7','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('9af60d84fc46f414','50b0ef94076e6b05','50b0ef94076e6b05:1','1c5af23d38efdca0','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('402602da4ffbb7b3','50b0ef94076e6b05','50b0ef94076e6b05:2','1c5af23d38efdca0','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('fd72440a6db966b4','6d5d7ede21bb2da9','6d5d7ede21bb2da9:1','573be7c4abb08df7','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('02178d8551e32737','6d5d7ede21bb2da9','6d5d7ede21bb2da9:2','573be7c4abb08df7','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('bed1c8cbb6a54bc8','9c683ef618bb7ae4','9c683ef618bb7ae4:1','573be7c4abb08df7','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('99cd6d17ff0b4a07','9c683ef618bb7ae4','9c683ef618bb7ae4:2','1c5af23d38efdca0','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('f6e0545c47315427','ae4767a6b279d456','ae4767a6b279d456:1','573be7c4abb08df7','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('66f8e4194b226ab4','ae4767a6b279d456','ae4767a6b279d456:2','1c5af23d38efdca0','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:22+00:00');
INSERT INTO "annotations" VALUES('51f9b967ac6b9324','3390f4d01f98962e','3390f4d01f98962e:1','80a16c43b2d9d3d6','p1@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART", "TIME"]}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:23+00:00');
INSERT INTO "annotations" VALUES('95f95434efed58a1','3390f4d01f98962e','3390f4d01f98962e:2','ad48e79c369f1837','p2@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART", "POEM"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:23+00:00');
INSERT INTO "annotations" VALUES('ca0960072d5a5aaf','3390f4d01f98962e','3390f4d01f98962e:3','e35dd3fc63ff7d6f','p3@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["POEM"]}}]',1,'2026-02-03T10:00:00Z','2026-11-27T21:50:23+00:00');
INSERT INTO "annotations" VALUES('06776f2faf5fafab','3390f4d01f98962e','3390f4d01f98962e:4','d4f4c5df4866bb97','p4@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": []}}]',1,'2026-02-04T10:00:00Z','2026-11-27T21:50:23+00:00');
INSERT INTO "annotations" VALUES('b2d4f7d21fcdbf4b','77b5de7a9130172d','77b5de7a9130172d:1','2227f1ecd49d7545','p1@example.com','[{"id": "prompt", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What feeds the line?"]}}, {"id": "response", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The pump."]}}, {"id": "p", "from_name": "evidence", "to_name": "text", "type": "labels", "value": {"start": 30, "end": 41, "text": "heated line", "labels": ["evidence"]}}, {"id": "rating", "from_name": "rating", "to_name": "passage", "type": "rating", "value": {"rating": 4}}]',1,'2026-02-01T10:00:00Z','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('892f83976bf44b20','77b5de7a9130172d','77b5de7a9130172d:2','847ff76ad3d4d3c2','p2@example.com','[{"id": "prompt", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What feeds the line?"]}}, {"id": "response", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The pump."]}}, {"id": "p", "from_name": "evidence", "to_name": "text", "type": "labels", "value": {"start": 4, "end": 8, "text": "valve", "labels": ["evidence"]}}]',1,'2026-02-02T10:00:00Z','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('75bb4d215539dd95','77b5de7a9130172d','77b5de7a9130172d:3','22b0901af213db0d','p3@example.com','[{"id": "prompt", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What feeds the line?"]}}, {"id": "answerable", "from_name": "answerable", "to_name": "passage", "type": "choices", "value": {"choices": ["not answerable from this passage"]}}, {"id": "comment", "from_name": "comment", "to_name": "passage", "type": "textarea", "value": {"text": ["Not in here."]}}]',1,'2026-02-03T10:00:00Z','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('534fc5dd7ad72021','77b5de7a9130172d','77b5de7a9130172d:4','5c1b0bde0395a261','p4@example.com','[{"id": "prompt", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What feeds the line?"]}}, {"id": "response", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The pump."]}}, {"id": "rating", "from_name": "rating", "to_name": "passage", "type": "rating", "value": {"rating": 9}}, {"id": "quotes", "from_name": "quotes", "to_name": "passage", "type": "textarea", "value": {"text": ["See page 3."]}}]',1,'2026-02-04T10:00:00Z','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('42e1cdfa05ba9c1c','77b5de7a9130172d','77b5de7a9130172d:5','da3dd4c0fdf1d849','p5@example.com','[{"id": "prompt", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["What feeds the line?"]}}, {"id": "response", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["  "]}}]',1,'2026-02-05T10:00:00Z','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('9a28cbfeaa181097','20fb363e6fdaffee','import:b6c25e4a8e7a9ce1','b30910b724afcb85','ann','[{"id": "f1ee904cb2", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["TIME"]}}]',1,'2026-03-01','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('2f7b76b20912c8a0','9b268b77f8112d43','import:x','3f0e2bb6750e9526','ben','[{"id": "252b155dbb", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["Who?"]}}, {"id": "f4ff13cb3d", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The line."]}}, {"id": "79dd7319e9", "from_name": "quotes", "to_name": "passage", "type": "textarea", "value": {"text": ["heated line"]}}]',1,'','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('8a64fdb07ac303c0','50f6267cb280f08a','import:y','9cf39794c0b046dd','','[{"id": "15aba18465", "from_name": "prompt", "to_name": "passage", "type": "textarea", "value": {"text": ["Why?"]}}, {"id": "7eae6f87cd", "from_name": "response", "to_name": "passage", "type": "textarea", "value": {"text": ["The documents do not say."]}}, {"id": "22a24dcfb1", "from_name": "answerable", "to_name": "passage", "type": "choices", "value": {"choices": ["not answerable from this passage"]}}]',1,'','2026-11-27T21:50:24+00:00');
INSERT INTO "annotations" VALUES('e8c0243d343b11d4','d6d64387a20f22d2','d6d64387a20f22d2:1','cfb6a2bb7688aad9','lead@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}, {"id": "reason", "from_name": "reason", "to_name": "passage", "type": "textarea", "value": {"text": ["It says so."]}}]',1,'2026-03-02T10:00:00Z','2026-11-27T21:50:25+00:00');
INSERT INTO "annotations" VALUES('d7032dcecc120766','804ce71f87e6fffa','804ce71f87e6fffa:1','573be7c4abb08df7','lead@example.com','[{"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["PART"]}}]',1,'2026-03-02T10:00:00Z','2026-11-27T21:50:25+00:00');
CREATE TABLE answers (
	answer_id VARCHAR NOT NULL, 
	question TEXT NOT NULL, 
	history JSON NOT NULL, 
	answer TEXT NOT NULL, 
	mode VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	adapter VARCHAR, 
	abstained BOOLEAN NOT NULL, 
	passages JSON NOT NULL, 
	citations JSON NOT NULL, 
	created_at VARCHAR NOT NULL, support VARCHAR DEFAULT 'not_checked' NOT NULL, 
	PRIMARY KEY (answer_id)
);
CREATE TABLE "chunks" (
	chunk_id VARCHAR NOT NULL, 
	document_id VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	ordinal INTEGER NOT NULL, 
	start INTEGER NOT NULL, 
	"end" INTEGER NOT NULL, 
	page INTEGER, 
	heading VARCHAR NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (chunk_id), 
	FOREIGN KEY(document_id) REFERENCES documents (document_id) ON DELETE CASCADE
);
CREATE TABLE datasets (
	dataset_id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	manifest JSON NOT NULL, 
	created_at VARCHAR NOT NULL, 
	PRIMARY KEY (dataset_id)
);
CREATE TABLE "document_removals" (
	path_sha256 VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	removed_at VARCHAR NOT NULL, 
	PRIMARY KEY (path_sha256)
);
CREATE TABLE document_signatures (
	document_id VARCHAR NOT NULL, 
	text_sha256 VARCHAR NOT NULL, 
	minhash BLOB NOT NULL, 
	PRIMARY KEY (document_id), 
	FOREIGN KEY(document_id) REFERENCES documents (document_id) ON DELETE CASCADE
);
CREATE TABLE document_versions (
	document_id VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	text TEXT NOT NULL, 
	pages JSON NOT NULL, 
	created_at VARCHAR NOT NULL, 
	PRIMARY KEY (document_id, version)
);
CREATE TABLE documents (
	document_id VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	root VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	title VARCHAR NOT NULL, 
	media_type VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	modified_ns BIGINT NOT NULL, 
	settings_fingerprint VARCHAR NOT NULL, 
	duplicate_of VARCHAR, 
	near_group VARCHAR NOT NULL, 
	ingested_at VARCHAR NOT NULL, path VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (document_id), 
	UNIQUE (source)
);
CREATE TABLE feedback (
	feedback_id VARCHAR NOT NULL, 
	answer_id VARCHAR NOT NULL, 
	rating INTEGER NOT NULL, 
	correction TEXT, 
	comment TEXT, 
	created_at VARCHAR NOT NULL, 
	PRIMARY KEY (feedback_id), 
	FOREIGN KEY(answer_id) REFERENCES answers (answer_id)
);
CREATE TABLE pending_purges (
	document_id VARCHAR NOT NULL, 
	asked_at VARCHAR NOT NULL, 
	PRIMARY KEY (document_id)
);
CREATE TABLE workspace (
	workspace_id VARCHAR NOT NULL, 
	PRIMARY KEY (workspace_id)
);
INSERT INTO "workspace" VALUES('4924c6aa8107464e8036ecf6bf65932f');
CREATE INDEX ix_adapters_name_status ON adapters (name, status);
CREATE INDEX ix_datasets_name ON datasets (name);
CREATE INDEX ix_documents_near_group ON documents (near_group);
CREATE INDEX ix_annotation_tasks_document_id ON annotation_tasks (document_id);
CREATE INDEX ix_annotation_tasks_project ON annotation_tasks (project);
CREATE INDEX ix_feedback_answer_id ON feedback (answer_id);
CREATE INDEX ix_annotations_task_uid ON annotations (task_uid);
CREATE INDEX ix_document_signatures_text_sha256 ON document_signatures (text_sha256);
CREATE INDEX ix_annotation_decisions_task_uid ON annotation_decisions (task_uid);
CREATE INDEX ix_documents_path ON documents (path);
CREATE INDEX ix_chunks_document_id ON chunks (document_id);
COMMIT;
