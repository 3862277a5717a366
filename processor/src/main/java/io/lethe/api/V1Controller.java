package io.lethe.api;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.fisher.Safetensors;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ForgetSet;
import io.lethe.state.ModelState;
import io.lethe.topology.StreamApp;
import io.lethe.topology.StreamApp.Place;
import io.micronaut.context.annotation.Requires;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.server.types.files.StreamedFile;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Content;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.responses.ApiResponse;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;

/** Where requests and models stand, and the Fisher sums for workers. */
@Controller("/v1")
@Requires(bean = StreamApp.class)
@ExecuteOn(TaskExecutors.BLOCKING)
@ApiResponse(responseCode = "307", description = "Another instance holds the key: ask there.")
@ApiResponse(
    responseCode = "404",
    description = "Not known.",
    content =
        @Content(
            mediaType = MediaType.APPLICATION_JSON_PROBLEM,
            schema = @Schema(implementation = Problem.class)))
@ApiResponse(
    responseCode = "503",
    description = "No instance holds the key at the moment; try again after Retry-After.",
    content =
        @Content(
            mediaType = MediaType.APPLICATION_JSON_PROBLEM,
            schema = @Schema(implementation = Problem.class)))
public class V1Controller {
  /** With other instances, of whose models a request's status says where they stand. */
  private static final Duration PATIENCE = Duration.ofSeconds(2);

  private final StreamApp app;
  private final BlockingModels blocking;

  V1Controller(StreamApp app) {
    this.app = app;
    blocking = new BlockingModels(PATIENCE, app::placeOfModel, app::model);
  }

  /** Status of a deletion request. */
  @Get("/requests/{requestId}")
  @ApiResponse(
      responseCode = "200",
      description =
          "Status, due date and what each model did so far, and which of the models that it waits for"
              + " wait for a person (the first hundred are asked).",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_JSON,
              schema = @Schema(ref = "#/components/schemas/Request")))
  public HttpResponse<?> request(@PathVariable String requestId) {
    return atOwner(
        app.placeOfRequest(requestId),
        "/v1/requests/" + encoded(requestId),
        () ->
            app.request(requestId)
                .<HttpResponse<?>>map(
                    state -> json(Views.request(requestId, state, blocking.of(state))))
                .orElseGet(() -> notFound("no such request is known")));
  }

  /** A model's version, anchor and pending batch. */
  @Get("/models/{modelId}")
  @ApiResponse(
      responseCode = "200",
      description = "The registration, with phase, version, anchor and the pending batch.",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_JSON,
              schema = @Schema(ref = "#/components/schemas/Model")))
  public HttpResponse<?> model(@PathVariable String modelId) {
    return atOwner(
        app.placeOfModel(modelId),
        "/v1/models/" + encoded(modelId),
        () ->
            app.model(modelId)
                .<HttpResponse<?>>map(state -> json(Views.model(state)))
                .orElseGet(() -> notFound("no such model is registered")));
  }

  /**
   * One of the two sums of a model's anchor as a safetensors file; its metadata gives {@code count}
   * and {@code anchor}.
   *
   * @param sum {@code retained} or {@code erased}
   */
  @Get("/models/{modelId}/fisher")
  @ApiResponse(
      responseCode = "200",
      description = "The sum, one float32 tensor per parameter.",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_OCTET_STREAM,
              schema = @Schema(type = "string", format = "binary")))
  @ApiResponse(
      responseCode = "400",
      description = "sum is neither retained nor erased.",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_JSON_PROBLEM,
              schema = @Schema(implementation = Problem.class)))
  public HttpResponse<?> fisher(
      @PathVariable String modelId,
      @Parameter(
              required = false,
              schema =
                  @Schema(
                      allowableValues = {"retained", "erased"},
                      defaultValue = "retained"))
          @QueryValue(defaultValue = "retained")
          String sum) {
    if (!sum.equals("retained") && !sum.equals("erased")) {
      return Problem.response(HttpStatus.BAD_REQUEST, "sum must be retained or erased");
    }
    return atOwner(
        app.placeOfModel(modelId),
        "/v1/models/" + encoded(modelId) + "/fisher?sum=" + sum,
        () ->
            app.model(modelId)
                .<HttpResponse<?>>map(state -> sums(state, sum))
                .orElseGet(() -> notFound("no such model is registered")));
  }

  private HttpResponse<?> sums(ModelState state, String sum) {
    String modelId = state.getRegistration().getModelId();
    FisherSums sums;
    try {
      sums = app.sums(modelId, state.getAnchorId());
    } catch (FisherUnavailableException e) {
      return unavailable(e.getMessage());
    }
    FisherDiagonal diagonal = sum.equals("retained") ? sums.retained() : sums.erased();
    try {
      Path file = Files.createTempFile("lethe-fisher", ".safetensors");
      Safetensors.write(
          file,
          Map.of(
              "count", Long.toString(diagonal.samples()),
              "reduction", "sum",
              "anchor", state.getAnchorId()),
          diagonal);
      InputStream content = Files.newInputStream(file, StandardOpenOption.DELETE_ON_CLOSE);
      return HttpResponse.ok(
          new StreamedFile(content, MediaType.APPLICATION_OCTET_STREAM_TYPE)
              .attach(modelId + "-" + sum + ".safetensors"));
    } catch (IOException e) {
      return Problem.response(HttpStatus.INTERNAL_SERVER_ERROR, "cannot write a temporary file");
    }
  }

  /**
   * What a worker reads for one job beside the sums: what was erased, and held-out targets. Avro
   * binary of {@code ForgetSet}, as the stores have it.
   */
  @Get("/models/{modelId}/jobs/{jobId}/forget-set")
  @ApiResponse(
      responseCode = "200",
      description = "Avro binary of io.lethe.state.ForgetSet with its schema's fingerprint.",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_OCTET_STREAM,
              schema = @Schema(type = "string", format = "binary")))
  @ApiResponse(
      responseCode = "410",
      description = "The job is no longer in flight under that anchor.",
      content =
          @Content(
              mediaType = MediaType.APPLICATION_JSON_PROBLEM,
              schema = @Schema(implementation = Problem.class)))
  public HttpResponse<?> forgetSet(
      @PathVariable String modelId, @PathVariable UUID jobId, @QueryValue String anchor) {
    return atOwner(
        app.placeOfModel(modelId),
        "/v1/models/%s/jobs/%s/forget-set?anchor=%s"
            .formatted(encoded(modelId), jobId, encoded(anchor)),
        () -> {
          try {
            ForgetSet forget = app.forgetSet(modelId, anchor, jobId);
            return HttpResponse.ok(
                    StateSerde.of(ForgetSet.class).serializer().serialize("", forget))
                .contentType(MediaType.APPLICATION_OCTET_STREAM_TYPE);
          } catch (ForgetSetUnavailableException e) {
            return e.isObsolete()
                ? Problem.response(HttpStatus.GONE, e.getMessage())
                : unavailable(e.getMessage());
          }
        });
  }

  /** Answers here, or sends the client to the instance whose stores have the key. */
  private HttpResponse<?> atOwner(Place place, String path, Supplier<HttpResponse<?>> answer) {
    if (place.here()) {
      return answer.get();
    }
    Optional<URI> owner = place.url();
    return owner.isPresent()
        ? HttpResponse.temporaryRedirect(URI.create(owner.get() + path))
        : unavailable("no instance holds it at the moment");
  }

  /** What a restart or a rebalance answers for a moment. */
  private static HttpResponse<?> unavailable(String detail) {
    return Problem.response(HttpStatus.SERVICE_UNAVAILABLE, detail).header("Retry-After", "1");
  }

  private static HttpResponse<?> json(ObjectNode body) {
    return HttpResponse.ok(body.toString()).contentType(MediaType.APPLICATION_JSON_TYPE);
  }

  private static HttpResponse<?> notFound(String detail) {
    return Problem.response(HttpStatus.NOT_FOUND, detail);
  }

  private static String encoded(String segment) {
    return URLEncoder.encode(segment, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
