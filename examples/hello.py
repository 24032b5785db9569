"""Ask once, wait for the whole answer, print it.

Needs OPENAI_API_KEY. OPENAI_BASE_URL points it at another server, such as the embedded one.
"""

from pyresponses_ws import ResponsesClient


def main() -> None:
    with ResponsesClient() as client:
        response = client.create(model="gpt-6-astra", input="Say hello in one sentence.")
        print(response.output_text)
        if response.usage:
            print(f"({response.usage.total_tokens} tokens)")


if __name__ == "__main__":
    main()
