"""Send the long, fixed part ahead of time, so that the first question has less to wait for.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

from pyresponses_ws import ResponsesClient

MODEL = "gpt-6-astra"
INSTRUCTIONS = "You are a guide to a museum. Answer in one sentence."


def main() -> None:
    with ResponsesClient() as client:
        ready = client.warm_up(model=MODEL, instructions=INSTRUCTIONS, input="I have a ticket.")
        print(f"warm: {ready.id}")
        answer = client.create(
            model=MODEL,
            instructions=INSTRUCTIONS,
            input="Where do I start?",
            previous_response_id=ready.id,
        )
        print(answer.output_text)


if __name__ == "__main__":
    main()
