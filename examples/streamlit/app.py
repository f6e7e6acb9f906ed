"""The portal's pages Create, Show and Complete on top of Atelier's API:

    ATELIER_URL=http://127.0.0.1:8080 ATELIER_API_KEY=atl_… streamlit run app.py

The key (role `portal`) is needed where the API wants one; it stays on this server.
"""

import json
import os

import requests
import streamlit as st

URL = os.environ.get("ATELIER_URL", "http://127.0.0.1:8080").rstrip("/")
HEADERS = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("ATELIER_API_KEY")) else {}
LONGEST_WAIT_SECONDS = 120


def call(method, path, **arguments):
    """The API's answer; what it refuses is shown in its own words, which are for people."""
    try:
        answer = requests.request(method, URL + path, headers=HEADERS, timeout=40, **arguments)
    except requests.RequestException:
        st.error("The picture service cannot be reached. Please try again in a moment.")
        st.stop()
    if not answer.ok:
        problem = answer.json()
        st.error(problem.get("detail") or problem["title"])
        st.stop()
    return answer


def finished(assignment):
    """The assignment once its picture is made or has failed; the API holds each request for 20 s."""
    path = f"/assignments/{assignment['assignment_id']}?wait=20"
    for _ in range(LONGEST_WAIT_SECONDS // 20):
        if assignment["s3_upload_status"] != "pending":
            break
        assignment = call("GET", path).json()
    return assignment


@st.cache_data(max_entries=200, show_spinner=False)
def picture(path, finished_at):
    """The picture's bytes, kept for the session; a retry has another `finished_at`."""
    return call("GET", path).content


def show_picture(assignment):
    status = assignment["s3_upload_status"]
    if status == "success":
        path = f"/assignments/{assignment['assignment_id']}/image"
        st.image(picture(path, assignment.get("finished_at")), caption=assignment["prompt"])
    elif status == "failed":
        st.warning(assignment["failure"]["message"])
    elif status == "pending":
        wait = assignment.get("expected_wait_seconds")
        st.info("The picture is being made" + (f", about {wait:.0f} s." if wait else "."))
    else:
        st.success("Saved. It has no picture.")


def create(teacher):
    with st.form("create"):
        title = st.text_input("Title for the students", max_chars=120)
        prompt = st.text_area("What the picture shows", max_chars=1024)
        lines = st.text_area("Questions, one a line: question = answer")
        sent = st.form_submit_button("Create")
    if sent:
        pairs = [line.partition("=") for line in lines.splitlines() if line.strip()]
        questions = [{"question": left.strip(), "answer": right.strip()} for left, _, right in pairs]
        wanted = {"teacher_id": teacher, "title": title, "prompt": prompt}
        body = {name: text for name, text in wanted.items() if text.strip()}
        if questions:
            body["question_answers"] = json.dumps(questions)
        with st.spinner("The picture is being made…"):
            show_picture(finished(call("POST", "/assignments", json=body).json()))


def show(teacher):
    page = call("GET", "/assignments", params={"teacher_id": teacher, "limit": 20}).json()
    for assignment in page["assignments"]:
        key = assignment["assignment_id"]
        with st.expander(assignment.get("title") or assignment["prompt"] or key):
            show_picture(assignment)
            if assignment["s3_upload_status"] == "failed" and st.button("Try again", key=f"retry-{key}"):
                call("POST", f"/assignments/{key}/retry")
                st.rerun()
            if st.button("Share with the class", key=f"share-{key}"):
                st.code(call("POST", f"/assignments/{key}/share", json={}).json()["token"])
            if st.button("Delete", key=f"delete-{key}"):
                call("DELETE", f"/assignments/{key}")
                st.rerun()


def complete(_):
    """What a student does: it needs the link's token and no account."""
    token = st.text_input("Token of the link")
    if not token:
        return
    shared = call("GET", f"/shared/{token}").json()
    st.header(shared["title"] or "An assignment")
    if shared["status"] == "success":
        st.image(picture(shared["image_url"], None))
    with st.form("complete"):
        name = st.text_input("Your name")
        answers = [st.text_input(question) for question in shared["questions"]]
        sent = st.form_submit_button("Check")
    if sent:
        body = {"answers": answers} | ({"name": name} if name.strip() else {})
        result = call("POST", f"/shared/{token}/answers", json=body).json()
        for question, right in zip(shared["questions"], result["right"]):
            (st.success if right else st.error if right is False else st.info)(question)


PAGES = {"Create": create, "Show": show, "Complete": complete}
chosen = st.sidebar.radio("Page", list(PAGES))
PAGES[chosen](st.sidebar.text_input("Teacher", value="CloudAge-User"))
